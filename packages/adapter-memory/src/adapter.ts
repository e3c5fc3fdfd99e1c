import {
  type AcquireAttempt,
  type AcquireOutcome,
  type Capabilities,
  type Claim,
  type Clock,
  checkOptionNames,
  type Granted,
  type HoldRef,
  type InspectedLock,
  type LockAdapter,
  LockError,
  type ReleaseOutcome,
  type RenewOutcome,
  systemClock,
} from '@holdfast/lock-core';
import {
  addHolder,
  checkUse,
  type Entry,
  endHolds,
  entryAt,
  grantOf,
  type Holder,
  holderOf,
  isCompatible,
  type MemoryStore,
  memoryStore,
  type OpenStore,
  settle,
  startEntry,
  watchExpiry,
} from './store.ts';
import { type Pending, waitForHint, waitInQueue } from './waiters.ts';

/** Options of `memoryAdapter`. */
export interface MemoryAdapterOptions {
  /** The store that it shares with other adapters, which then exclude each other. Default: a store of its own. */
  store?: MemoryStore | undefined;
  /** The clock, for tests. Default: the clock of the store, or else of the system. All adapters of a store use the same clock. */
  clock?: Clock | undefined;
  /** Whether locks have fencing tokens, default true. With false, they have none, like the simplest Redis locks. */
  fencing?: boolean | undefined;
  /**
   * With `fifo` (default), waiters of all adapters of the store are served in the order in which they queued. With `none`, there is no
   * queue, and lock-core does the waiting: there is no order between `Locks`, and only exclusive locks are supported.
   */
  fairness?: 'fifo' | 'none' | undefined;
}

const TTL: Capabilities['ttl'] = { minMs: 1, granularityMs: 1, maxOvershootMs: 10 };

// One object each: an outcome without figures costs nothing.
const lostOutcome: RenewOutcome = { status: 'lost' };
const released: Promise<ReleaseOutcome> = Promise.resolve('released');
const notHeld: Promise<ReleaseOutcome> = Promise.resolve('not-held');

/**
 * Creates an adapter for locks inside this process. It excludes only tasks of one process, and all locks end with the process.
 * @throws LockError LOCK_INVALID_ARGUMENT for an unknown option, or if `clock` is not the clock of `store`
 */
export function memoryAdapter(options: MemoryAdapterOptions = {}): LockAdapter {
  checkOptionNames(options, ['store', 'clock', 'fencing', 'fairness']);
  const { fairness = 'fifo', fencing = true } = options;
  const store = openStore(options.store ?? memoryStore(), options.clock);
  const client: MemoryClient = { store, pending: new Set(), fencing, fifo: fairness === 'fifo', closed: undefined };
  const { clock } = store;
  /** Answers at once, unless the adapter is closed. */
  const answer = <T>(call: (now: number) => Promise<T>): Promise<T> =>
    client.closed === undefined ? call(clock.now()) : Promise.reject(client.closed);

  const adapter: LockAdapter = {
    name: 'memory',
    capabilities: capabilitiesOf(client),
    tryAcquire: (attempt) => answer((now) => tryAcquire(client, attempt, now)),
    renew: ({ key, owner }, ttlMs) => answer((now) => Promise.resolve(renewHold(store, key, owner, ttlMs, now))),
    renewMany: (refs, ttlMs) =>
      answer((now) => Promise.resolve(refs.map(({ key, owner }) => renewHold(store, key, owner, ttlMs, now)))),
    release: (ref) => answer((now) => release(client, ref, now)),
    inspect: (key) => answer((now) => Promise.resolve(inspect(client, key, now))),
    keys: () => answer(() => Promise.resolve({ keys: [...store.entries.keys()], next: undefined })),
    forceRelease: (key: string, owner?: string) => answer((now) => Promise.resolve(free(store, key, owner, now))),
    close() {
      client.closed ??= new LockError('LOCK_CLOSED', 'the memory adapter is closed: open a new one');
      for (const waiting of [...client.pending]) waiting.cancel(client.closed);
      return Promise.resolve();
    },
  };
  if (client.fifo) {
    adapter.downgrade = ({ key, owner }, ttlMs) =>
      answer((now) => Promise.resolve(downgrade(store, key, owner, ttlMs, now)));
    adapter.enqueue = (attempt, signal) => {
      if (signal.aborted) return Promise.reject(signal.reason);
      return answer((now) => enqueue(client, attempt, signal, now));
    };
  } else {
    adapter.whenFree = (key, signal) => {
      if (signal.aborted) return Promise.reject(signal.reason);
      return answer(() => waitForHint(store, client.pending, client, key, signal));
    };
  }
  return adapter;
}

/** One adapter of a store, as one client of a server. */
interface MemoryClient {
  readonly store: OpenStore;
  readonly pending: Pending;
  readonly fencing: boolean;
  readonly fifo: boolean;
  closed: LockError | undefined;
}

function capabilitiesOf({ fencing, fifo }: MemoryClient): Capabilities {
  return {
    fencing,
    fairness: fifo ? 'fifo' : 'none',
    expiry: 'ttl',
    wakeup: 'push',
    // The process is the backend: what ends the backend ends all of its holders too.
    survivesFailover: true,
    crossProcess: false,
    // Without a queue readers could keep a writer out for as long as they like.
    shared: fifo,
    permits: fifo,
    ttl: TTL,
  };
}

const exclusive: Claim = { mode: 'exclusive' };

/** Grants by the rule of the contract, or once more what the owner holds already; else gives what is in the way. */
function tryGrant(client: MemoryClient, attempt: AcquireAttempt, now: number): Granted | Entry {
  const { store, fencing } = client;
  const { key, owner, claim = exclusive } = attempt;
  const ttlMs = Math.max(attempt.ttlMs, TTL.minMs);
  const request = { owner, claim, ttlMs, tokens: fencing ? attempt.tokens : 0 };
  const entry = entryAt(store, key, now);
  if (entry === undefined) return grantOf(startEntry(store, key, request, now), now);
  checkUse(key, entry, claim);
  const holder = holderOf(entry, owner);
  if (holder !== undefined) {
    // An acquire that arrives late must not shorten what was renewed meanwhile (H113).
    holder.expiresAt = Math.max(holder.expiresAt, now + ttlMs);
    return grantOf(holder, now);
  }
  // Nobody passes those who wait.
  if (entry.queue?.size || !isCompatible(entry, claim)) return entry;
  return grantOf(addHolder(store, entry, request, now), now);
}

async function tryAcquire(client: MemoryClient, attempt: AcquireAttempt, now: number): Promise<AcquireOutcome> {
  const granted = tryGrant(client, attempt, now);
  if ('status' in granted) return granted;
  return { status: 'busy', retryAfterMs: Math.min(...granted.holders.map(({ expiresAt }) => expiresAt)) - now };
}

async function enqueue(
  client: MemoryClient,
  attempt: AcquireAttempt,
  signal: AbortSignal,
  now: number,
): Promise<Granted> {
  const granted = tryGrant(client, attempt, now);
  if ('status' in granted) return granted;
  const tokens = client.fencing ? attempt.tokens : 0;
  return waitInQueue(client.store, client.pending, granted, attempt, attempt.claim ?? exclusive, tokens, signal, now);
}

function renewHold(store: OpenStore, key: string, owner: string, ttlMs: number, now: number): RenewOutcome {
  const entry = entryAt(store, key, now);
  const holder = entry && holderOf(entry, owner);
  return holder === undefined ? lostOutcome : extendExpiry(store, key, entry as Entry, holder, ttlMs, now);
}

function extendExpiry(
  store: OpenStore,
  key: string,
  entry: Entry,
  holder: Holder,
  ttlMs: number,
  now: number,
): RenewOutcome {
  const validForMs = Math.max(ttlMs, TTL.minMs);
  holder.expiresAt = now + validForMs;
  entry.expiresBy = Math.min(entry.expiresBy, holder.expiresAt);
  // A shorter lease ends before the timer.
  if (entry.queue) watchExpiry(store, key, entry, now);
  return { status: 'renewed', validForMs };
}

/** In one step: nobody else is exclusive in between, and the readers at the head of the queue come in. */
function downgrade(store: OpenStore, key: string, owner: string, ttlMs: number, now: number): RenewOutcome {
  const entry = entryAt(store, key, now);
  const holder = entry && holderOf(entry, owner);
  if (entry === undefined || holder === undefined) return lostOutcome;
  if (entry.mode === 'permits') checkUse(key, entry, { mode: 'shared' });
  entry.mode = 'shared';
  const renewed = extendExpiry(store, key, entry, holder, ttlMs, now);
  settle(store, key, entry, now);
  return renewed;
}

function release(client: MemoryClient, { key, owner }: HoldRef, now: number): Promise<ReleaseOutcome> {
  const { store } = client;
  const entry = entryAt(store, key, now);
  if (entry === undefined) return notHeld;
  if (endHolds(store, key, entry, owner, now)) return released;
  const withdrawn = new LockError('LOCK_LOST', `the place in the queue of ${JSON.stringify(key)} was withdrawn`, {
    key,
  });
  entry.queue?.get(owner)?.cancel(withdrawn);
  return notHeld;
}

function inspect({ store, fifo }: MemoryClient, key: string, now: number): InspectedLock | undefined {
  const entry = entryAt(store, key, now);
  const earliest = entry?.holders[0];
  if (entry === undefined || earliest === undefined) return undefined;
  const { mode, limit, holders } = entry;
  const { owner, expiresAt, grantedAt, token } = earliest;
  const waiters = fifo ? (entry.queue?.size ?? 0) : undefined;
  const since = new Date(grantedAt);
  const info: InspectedLock = { key, owner, remainingMs: expiresAt - now, fencingToken: token, waiters, since };
  return fifo ? { ...info, mode, holders: holders.length, limit } : info;
}

/** Frees the key, of `owner` alone if one is named. */
function free(store: OpenStore, key: string, owner: string | undefined, now: number): boolean {
  const entry = entryAt(store, key, now);
  return entry !== undefined && endHolds(store, key, entry, owner, now);
}

/** The store belongs to the clock of its first adapter: leases of two clocks cannot be compared. */
function openStore(store: MemoryStore, clock: Clock | undefined): OpenStore {
  store.clock ??= clock ?? systemClock;
  if (clock && clock !== store.clock) {
    throw new LockError('LOCK_INVALID_ARGUMENT', 'All memory adapters of one store must use one clock');
  }
  return store as OpenStore;
}

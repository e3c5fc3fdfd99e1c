import {
  type AcquireAttempt,
  type AcquireOutcome,
  type Capabilities,
  type Clock,
  checkOptionNames,
  type Granted,
  type HoldRef,
  type LockAdapter,
  LockError,
  type LockInfo,
  type ReleaseOutcome,
  type RenewOutcome,
  systemClock,
} from '@holdfast/lock-core';
import {
  endHold,
  grantOf,
  type Hold,
  holdAt,
  type MemoryStore,
  memoryStore,
  type OpenStore,
  startHold,
  watchExpiry,
} from './store.ts';
import { type Pending, waitForHint, waitInQueue } from './waiters.ts';

/** Options of `memoryAdapter`. */
export interface MemoryAdapterOptions {
  /** What this adapter shares with others, default a store of its own: adapters of one store exclude each other. */
  store?: MemoryStore | undefined;
  /** For tests; default the store's clock, else the system's. All adapters of a store use one clock. */
  clock?: Clock | undefined;
  /** Default true; false gives no fencing tokens, as the simplest Redis locks do. */
  fencing?: boolean | undefined;
  /**
   * Default `fifo`: grants follow the order of queueing over all adapters of the store. `none` leaves waiting to lock-core,
   * which then passes a lock on inside one `Locks` without asking the store: faster under contention, unordered between `Locks`.
   */
  fairness?: 'fifo' | 'none' | undefined;
}

const TTL: Capabilities['ttl'] = { minMs: 1, granularityMs: 1, maxOvershootMs: 10 };

// One object each: an outcome without figures costs nothing.
const lostOutcome: RenewOutcome = { status: 'lost' };
const released: Promise<ReleaseOutcome> = Promise.resolve('released');
const notHeld: Promise<ReleaseOutcome> = Promise.resolve('not-held');

/**
 * The in-process backend: excludes the tasks of one process, and forgets everything when the process ends.
 * @throws LockError LOCK_INVALID_ARGUMENT for an unknown option, and when `clock` is not the clock of `store`.
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
    keys: () => answer(() => Promise.resolve({ keys: [...store.holds.keys()], next: undefined })),
    forceRelease: (key: string, owner?: string) => answer((now) => Promise.resolve(free(store, key, owner, now))),
    close() {
      client.closed ??= new LockError('LOCK_CLOSED', 'the memory adapter is closed: make a new one to go on');
      for (const waiting of [...client.pending]) waiting.cancel(client.closed);
      return Promise.resolve();
    },
  };
  if (client.fifo) {
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
    ttl: TTL,
  };
}

/** Grants a free key, or once more what the owner holds already; else gives the hold that is in the way. */
function tryGrant(client: MemoryClient, attempt: AcquireAttempt, now: number): Granted | Hold {
  const { store, fencing } = client;
  const { key, owner } = attempt;
  const ttlMs = Math.max(attempt.ttlMs, TTL.minMs);
  const hold = holdAt(store, key, now);
  if (hold === undefined) {
    const started = startHold(store, key, owner, ttlMs, fencing ? attempt.tokens : 0, now);
    return grantOf(started, now, othersWaiting(client, key));
  }
  if (hold.owner !== owner) return hold;
  // An acquire that arrives late must not shorten what was renewed meanwhile (H113).
  if (now + ttlMs > hold.expiresAt) extendExpiry(store, key, hold, ttlMs, now);
  return grantOf(hold, now, othersWaiting(client, key));
}

function tryAcquire(client: MemoryClient, attempt: AcquireAttempt, now: number): Promise<AcquireOutcome> {
  const granted = tryGrant(client, attempt, now);
  if ('status' in granted) return Promise.resolve(granted);
  return Promise.resolve({ status: 'busy', retryAfterMs: granted.expiresAt - now });
}

function enqueue(client: MemoryClient, attempt: AcquireAttempt, signal: AbortSignal, now: number): Promise<Granted> {
  const granted = tryGrant(client, attempt, now);
  if ('status' in granted) return Promise.resolve(granted);
  const tokens = client.fencing ? attempt.tokens : 0;
  return waitInQueue(client.store, client.pending, granted, attempt, tokens, signal, now);
}

function renewHold(store: OpenStore, key: string, owner: string, ttlMs: number, now: number): RenewOutcome {
  const hold = holdAt(store, key, now);
  if (hold?.owner !== owner) return lostOutcome;
  const validForMs = Math.max(ttlMs, TTL.minMs);
  extendExpiry(store, key, hold, validForMs, now);
  return { status: 'renewed', validForMs };
}

function extendExpiry(store: OpenStore, key: string, hold: Hold, ttlMs: number, now: number): void {
  hold.expiresAt = now + ttlMs;
  if (hold.queue) watchExpiry(store, key, hold, now);
}

function release(client: MemoryClient, ref: HoldRef, now: number): Promise<ReleaseOutcome> {
  const { store } = client;
  const { key, owner } = ref;
  const hold = holdAt(store, key, now);
  if (hold === undefined) return notHeld;
  if (hold.owner === owner) {
    if (!client.fifo) ref.onWaiting?.(othersWaiting(client, key));
    endHold(store, key, hold, now);
    return released;
  }
  const withdrawn = new LockError('LOCK_LOST', `the place in the queue of ${JSON.stringify(key)} was withdrawn`, {
    key,
  });
  hold.queue?.get(owner)?.cancel(withdrawn);
  return notHeld;
}

function inspect({ store, fifo }: MemoryClient, key: string, now: number): LockInfo | undefined {
  const hold = holdAt(store, key, now);
  if (hold === undefined) return undefined;
  const waiters = fifo ? (hold.queue?.size ?? 0) : undefined;
  return { key, owner: hold.owner, remainingMs: hold.expiresAt - now, fencingToken: hold.token, waiters };
}

/** Frees the key, of `owner` alone if one is named. */
function free(store: OpenStore, key: string, owner: string | undefined, now: number): boolean {
  const hold = holdAt(store, key, now);
  if (hold === undefined || (owner !== undefined && hold.owner !== owner)) return false;
  endHold(store, key, hold, now);
  return true;
}

/** How many other adapters of the store wait for the key. */
function othersWaiting(client: MemoryClient, key: string): number {
  const watchers = client.store.watchers.get(key);
  if (watchers === undefined) return 0;
  const others = new Set([...watchers].map((watcher) => watcher.client));
  others.delete(client);
  return others.size;
}

/** The store belongs to the clock of its first adapter: leases of two clocks cannot be compared. */
function openStore(store: MemoryStore, clock: Clock | undefined): OpenStore {
  store.clock ??= clock ?? systemClock;
  if (clock && clock !== store.clock) {
    throw new LockError('LOCK_INVALID_ARGUMENT', 'All memory adapters of one store must use one clock');
  }
  return store as OpenStore;
}

import {
  type AcquireAttempt,
  type Capabilities,
  type Clock,
  type Granted,
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
import { type Pending, waitForHint, waitInQueue } from './waiting.ts';

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
 * The in-process backend: excludes the tasks of one process, and forgets all when the process ends.
 * @throws LockError LOCK_INVALID_ARGUMENT when `clock` is not the clock of `store`.
 */
export function memoryAdapter(options: MemoryAdapterOptions = {}): LockAdapter {
  const store = openStore(options.store ?? memoryStore(), options.clock);
  const { clock } = store;
  const fencing = options.fencing ?? true;
  const fifo = (options.fairness ?? 'fifo') === 'fifo';
  const pending: Pending = new Set();
  const client = {};
  let closed: LockError | undefined;

  const prolong = (key: string, hold: Hold, ttlMs: number, now: number): void => {
    hold.expiresAt = now + ttlMs;
    if (hold.queue) watchExpiry(store, key, hold, now);
  };

  /** How many other adapters of the store wait for the key. */
  const waiting = (key: string): number => {
    const watchers = store.watchers.get(key);
    if (watchers === undefined) return 0;
    const others = new Set([...watchers].map((watcher) => watcher.client));
    others.delete(client);
    return others.size;
  };

  /** Grants a free key, or once more what the owner holds already; else gives the hold that is in the way. */
  const ask = (attempt: AcquireAttempt, now: number): Granted | Hold => {
    const { key, owner } = attempt;
    const ttlMs = Math.max(attempt.ttlMs, TTL.minMs);
    const hold = holdAt(store, key, now);
    if (hold === undefined) {
      const started = startHold(store, key, owner, ttlMs, fencing ? attempt.tokens : 0, now);
      return grantOf(started, now, waiting(key));
    }
    if (hold.owner !== owner) return hold;
    prolong(key, hold, ttlMs, now);
    return grantOf(hold, now, waiting(key));
  };

  const renewHold = (key: string, owner: string, ttlMs: number, now: number): RenewOutcome => {
    const hold = holdAt(store, key, now);
    if (hold?.owner !== owner) return lostOutcome;
    const validForMs = Math.max(ttlMs, TTL.minMs);
    prolong(key, hold, validForMs, now);
    return { status: 'renewed', validForMs };
  };

  const adapter: LockAdapter = {
    name: 'memory',
    capabilities: {
      fencing,
      fairness: fifo ? 'fifo' : 'none',
      expiry: 'ttl',
      wakeup: 'push',
      // The process is the backend: what ends the backend ends all its holders too.
      survivesFailover: true,
      crossProcess: false,
      ttl: TTL,
    },

    tryAcquire(attempt) {
      if (closed) return Promise.reject(closed);
      const now = clock.now();
      const answer = ask(attempt, now);
      if ('status' in answer) return Promise.resolve(answer);
      return Promise.resolve({ status: 'busy', retryAfterMs: answer.expiresAt - now });
    },

    renew({ key, owner }, ttlMs) {
      if (closed) return Promise.reject(closed);
      return Promise.resolve(renewHold(key, owner, ttlMs, clock.now()));
    },

    renewMany(refs, ttlMs) {
      if (closed) return Promise.reject(closed);
      const now = clock.now();
      return Promise.resolve(refs.map(({ key, owner }) => renewHold(key, owner, ttlMs, now)));
    },

    release(ref) {
      if (closed) return Promise.reject(closed);
      const { key, owner } = ref;
      const now = clock.now();
      const hold = holdAt(store, key, now);
      if (hold === undefined) return notHeld;
      if (hold.owner === owner) {
        if (!fifo) ref.onWaiting?.(waiting(key));
        endHold(store, key, hold, now);
        return released;
      }
      hold.queue
        ?.get(owner)
        ?.cancel(new LockError('LOCK_LOST', `The place in the queue of "${key}" was given back`, { key }));
      return notHeld;
    },

    inspect(key) {
      if (closed) return Promise.reject(closed);
      const now = clock.now();
      const hold = holdAt(store, key, now);
      if (hold === undefined) return Promise.resolve(undefined);
      const info: LockInfo = {
        key,
        owner: hold.owner,
        remainingMs: hold.expiresAt - now,
        fencingToken: hold.token,
        waiters: fifo ? (hold.queue?.size ?? 0) : undefined,
      };
      return Promise.resolve(info);
    },

    keys() {
      if (closed) return Promise.reject(closed);
      return Promise.resolve({ keys: [...store.holds.keys()], next: undefined });
    },

    forceRelease(key) {
      if (closed) return Promise.reject(closed);
      const now = clock.now();
      const hold = holdAt(store, key, now);
      if (hold) endHold(store, key, hold, now);
      return Promise.resolve(hold !== undefined);
    },

    close() {
      closed ??= new LockError('LOCK_CLOSED', 'The memory adapter is closed; make a new one to go on');
      for (const waiting of [...pending]) waiting.cancel(closed);
      return Promise.resolve();
    },
  };

  if (fifo) {
    adapter.enqueue = (attempt, signal) => {
      if (closed) return Promise.reject(closed);
      if (signal.aborted) return Promise.reject(signal.reason);
      const now = clock.now();
      const answer = ask(attempt, now);
      if ('status' in answer) return Promise.resolve(answer);
      return waitInQueue(store, pending, answer, attempt, fencing ? attempt.tokens : 0, signal, now);
    };
  } else {
    adapter.whenFree = (key, signal) => {
      if (closed) return Promise.reject(closed);
      if (signal.aborted) return Promise.reject(signal.reason);
      return waitForHint(store, pending, client, key, signal);
    };
  }
  return adapter;
}

/** The store belongs to the clock of its first adapter: leases of two clocks cannot be compared. */
function openStore(store: MemoryStore, clock: Clock | undefined): OpenStore {
  store.clock ??= clock ?? systemClock;
  if (clock && clock !== store.clock) {
    throw new LockError('LOCK_INVALID_ARGUMENT', 'All memory adapters of one store must use one clock');
  }
  return store as OpenStore;
}

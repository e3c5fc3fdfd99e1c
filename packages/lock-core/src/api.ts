import type { Capabilities, LockInfo } from './lock-adapter.ts';

/**
 * The locks of one backend; made by `createLocks` or, from a URL, by `openLocks` of the package `holdfast`. `Token` is `bigint`
 * where fencing is required: then no lock is without a token.
 */
export interface Locks<Token extends bigint | undefined = bigint | undefined> extends AsyncDisposable {
  readonly adapter: { readonly name: string; readonly capabilities: Capabilities };
  /**
   * Waits for the lock.
   * @throws LockError LOCK_TIMEOUT busy past `waitMs`; LOCK_BACKEND no answer; LOCK_INVALID_ARGUMENT; LOCK_SELF_DEADLOCK;
   * LOCK_CLOSED; LOCK_FOREIGN_KEY; or the signal's own reason.
   */
  acquire(key: string, options?: AcquireOptions): Promise<Lock<Token>>;
  /** One attempt, no waiting: `undefined` when the lock is busy. Throws as `acquire`, never LOCK_TIMEOUT. */
  tryAcquire(key: string, options?: AcquireOptions): Promise<Lock<Token> | undefined>;
  /** Runs `body` under the lock and releases it; gives back the body's result or error, always (H56). */
  using<T>(key: string, body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  using<T>(key: string, options: AcquireOptions, body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  /**
   * Waits for all of the keys. They are sorted and acquired one after the other, so that callers with common keys never deadlock;
   * `waitMs` and `signal` are for all of them together. Either all are held or none: when it rejects, what it had acquired has been
   * released. A lock that is lost while the others are still being acquired fails the call.
   * @throws LockError as `acquire`, with the key that failed; LOCK_LOST; LOCK_INVALID_ARGUMENT without any key
   */
  acquireAll(keys: readonly string[], options?: AcquireOptions): Promise<LockGroup<Token>>;
  /** One attempt for each key, no waiting: `undefined`, and nothing held, when one of them is busy. */
  tryAcquireAll(keys: readonly string[], options?: AcquireOptions): Promise<LockGroup<Token> | undefined>;
  /** Runs `body` under the locks of all keys, as `using` does under one. */
  usingAll<T>(keys: readonly string[], body: (group: LockGroup<Token>) => T | Promise<T>): Promise<T>;
  usingAll<T>(
    keys: readonly string[],
    options: AcquireOptions,
    body: (group: LockGroup<Token>) => T | Promise<T>,
  ): Promise<T>;
  /**
   * Leader election: campaigns for the key, runs `body` while it leads, and campaigns again after a loss, once the body has settled;
   * what the body returns or throws after the loss does not count. `term.signal` aborts with the loss, and with `signal`. It ends
   * when the body returns or throws while it leads, with that, or when `signal` aborts: once the body has settled it rejects with
   * the signal's reason. The key is released before it settles. An outage of the backend does not end it. `waitMs`, by default
   * Infinity whatever these `Locks` have, limits each campaign; `maxHoldMs` limits each term, and it campaigns again.
   * @throws LockError as `acquire`; LOCK_TIMEOUT and LOCK_BACKEND only with a `waitMs`, or for a refusal
   */
  lead(key: string, body: (term: Lock<Token>) => void | Promise<void>, options?: AcquireOptions): Promise<void>;
  /**
   * Who holds the key, `undefined` when it is free: at once, and again whenever that, the number of waiters or the claim changes.
   * A hint of the backend is followed at once, all else within half a second, so that shorter states may be missed. Ends when
   * `signal` aborts, when these `Locks` are closed, or when the loop is left.
   * @throws LockError LOCK_UNSUPPORTED where the backend cannot tell; LOCK_BACKEND after `backendTimeoutMs` without an answer
   */
  watch(key: string, options?: WatchOptions): AsyncIterable<LockInfo | undefined>;
  /**
   * A semaphore: up to `limit` permits of the key are held at a time, over all processes. Asks nothing of the backend.
   * @throws LockError LOCK_UNSUPPORTED where the backend has no permits; LOCK_INVALID_ARGUMENT for a limit that is none
   */
  semaphore(key: string, limit: number): Semaphore<Token>;
  /** A new identity for reentrancy, to be passed as `owner` or bound with `owner.run`. */
  createOwner(label?: string): LockOwner;
  /** Who holds the key in the backend; `undefined` when it is free. Throws LOCK_BACKEND rather than guess (H24). */
  inspect(key: string): Promise<LockInfo | undefined>;
  /**
   * The locks that are held, in no order, looked up while it is iterated: of those taken or freed meanwhile it has some.
   * `pattern` has `*` for any characters and `?` for one, default `*`. For an operator's eyes: it may read everything there is.
   * @throws LockError LOCK_UNSUPPORTED where the backend cannot tell; LOCK_BACKEND no answer
   */
  list(pattern?: string): AsyncIterable<LockInfo>;
  /**
   * Frees the key whoever holds it, or only if `owner` does, the owner ID that `inspect` shows; `false` when there was nothing to
   * free. For an operator's hand, not for a program.
   * @throws LockError LOCK_UNSUPPORTED where the backend has no way to do it; LOCK_BACKEND no answer
   */
  forceRelease(key: string, owner?: string): Promise<boolean>;
  /** Fails the waiting with LOCK_CLOSED, releases what is held, and closes what the adapter opened. Idempotent. */
  close(): Promise<void>;
}

/** How to acquire, and on what terms to hold; what is left out is as the `Locks` were made. */
export interface AcquireOptions {
  /** Lease length in ms, default 30,000: shorter frees a crashed holder's lock sooner, longer survives longer stalls. */
  ttlMs?: number | undefined;
  /** How long to wait for a busy lock in ms, default Infinity; 0 makes one attempt. */
  waitMs?: number | undefined;
  /** The watchdog renews every ttl/3, default true; false lets the lease end by itself after `ttlMs`. */
  autoRenew?: boolean | undefined;
  /** The watchdog stops after this many ms and the hold is lost: a hung task cannot block for ever (H50). Default Infinity. */
  maxHoldMs?: number | undefined;
  /**
   * Lock-delay, as Chubby and Consul have it: after a crash, or a loss that its holder could not prevent, nobody gets the key for this
   * many ms more, so that what the holder has sent by then arrives before anybody else works. Default 0. A release frees the key at
   * once, also one after the loss, since it says that the work is over; so do `maxHoldMs`, `close` and a forced release. LOCK_UNSUPPORTED
   * where holds end with a session.
   */
  graceMs?: number | undefined;
  /** Cancels the waiting, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** Identity for reentrancy; default: the async context's owner, else a new one. */
  owner?: LockOwner | undefined;
  /** Default true; false: re-acquiring one's own lock fails at once with LOCK_SELF_DEADLOCK. */
  reentrant?: boolean | undefined;
  /** Default `exclusive`. Any number of owners hold a key `shared` at a time, and none beside an exclusive one. */
  mode?: 'exclusive' | 'shared' | undefined;
}

/** How to acquire permits of a semaphore. They are not reentrant: each acquisition takes its own. */
export interface SemaphoreOptions extends Omit<AcquireOptions, 'mode' | 'reentrant'> {
  /** How many at once, default 1. A large request is served in its turn, and not passed by smaller ones. */
  permits?: number | undefined;
}

/** Permits of one key. Each acquisition is a lock of its own, with a lease, a fencing token and a signal. */
export interface Semaphore<Token extends bigint | undefined = bigint | undefined> {
  readonly key: string;
  /** Kept with the key while it is in use: whoever names another limit meanwhile is refused with LOCK_INVALID_ARGUMENT. */
  readonly limit: number;
  /** Waits for permits. Throws as `Locks.acquire`. */
  acquire(options?: SemaphoreOptions): Promise<Lock<Token>>;
  /** One attempt, no waiting: `undefined` when there are too few permits, or others wait. */
  tryAcquire(options?: SemaphoreOptions): Promise<Lock<Token> | undefined>;
  /** Runs `body` with permits and releases them; gives back the body's result or error, always. */
  using<T>(body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  using<T>(options: SemaphoreOptions, body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  /** Who holds permits: the earliest of them, and how many there are. `undefined` when nobody does. */
  inspect(): Promise<LockInfo | undefined>;
}

/** How to watch a key. */
export interface WatchOptions {
  /** Ends the watch. */
  signal?: AbortSignal | undefined;
}

/** One hold of a key. `await using` releases it at the end of the block. */
export interface Lock<Token extends bigint | undefined = bigint | undefined> extends AsyncDisposable {
  readonly key: string;
  readonly owner: LockOwner;
  /** How it is held; `permits` for a lock of a semaphore. */
  readonly mode: 'exclusive' | 'shared' | 'permits';
  /**
   * Higher for every later hold of the key; `undefined` where the backend has none. Have the protected resource check it. A shared
   * lock has the token of the last exclusive hold before it, 0n if there was none.
   */
  readonly fencingToken: Token;
  /**
   * Aborts with LockError LOCK_LOST no later than the lease can pass to another. Keep it in a variable, and look at `aborted`
   * after adding a listener: each reading of `lock.signal` may be the one that notices the end of the lease.
   */
  readonly signal: AbortSignal;
  readonly state: 'held' | 'released' | 'lost';
  /** Time until the local deadline in ms; 0 when lost or released. */
  readonly remainingMs: number;
  /** Throws LOCK_LOST unless the lease is good at this very moment. */
  assertHeld(): void;
  /**
   * Puts the lock inside a transaction of yours: verifies the hold there, on the client on which the transaction was begun, and pins it. Nobody
   * else is granted the key until that transaction ends, even if the lease ends meanwhile, so what it writes cannot be stale. Commit before
   * the lock is released.
   * @throws LockError LOCK_LOST: roll back; LOCK_INVALID_ARGUMENT without a transaction; LOCK_UNSUPPORTED where the backend is no database
   */
  assertIn(client: unknown): Promise<void>;
  /** Prolongs the lease now. Throws LOCK_LOST when it is gone, LOCK_BACKEND when no answer came (the lease then stands as it was). */
  renew(ttlMs?: number): Promise<void>;
  /**
   * Turns an exclusive lock into a shared one, in one step: nobody else has it exclusively in between, and readers that wait are
   * let in. Throws as `renew`, and LOCK_INVALID_ARGUMENT when a nested lock relies on the exclusive one; the lock counts as shared
   * from the call on.
   */
  downgrade(): Promise<void>;
  /** Releases the lock. Never throws for a lost one; idempotent. */
  release(): Promise<'released' | 'lost'>;
  /** What `JSON.stringify` and `util.inspect` show. */
  toJSON(): LockDescription;
}

/** The locks of several keys, held together. `await using` releases all of them at the end of the block. */
export interface LockGroup<Token extends bigint | undefined = bigint | undefined> extends AsyncDisposable {
  /** One for each different key, in the order of the keys' UTF-8 bytes. */
  readonly locks: readonly Lock<Token>[];
  /** Aborts when any of the locks is lost, with the LockError LOCK_LOST of that lock. Keep it in a variable, as that of a lock. */
  readonly signal: AbortSignal;
  /** `held` while all of them are; `lost` once one is. */
  readonly state: 'held' | 'released' | 'lost';
  /** Throws LOCK_LOST unless the leases of all are good at this very moment. */
  assertHeld(): void;
  /** Releases all of them, the last one first. `lost` if any was lost before. Never throws; idempotent. */
  release(): Promise<'released' | 'lost'>;
  /** What `JSON.stringify` and `util.inspect` show. */
  toJSON(): { readonly state: 'held' | 'released' | 'lost'; readonly locks: readonly LockDescription[] };
}

/** A lock as it is logged. The token is in digits, since JSON has no bigint. */
export interface LockDescription {
  readonly key: string;
  readonly state: 'held' | 'released' | 'lost';
  readonly fencingToken: string | undefined;
  readonly remainingMs: number;
}

/** An identity that may hold locks reentrantly. JavaScript has no thread identity, so it is explicit or bound to the async context. */
export interface LockOwner {
  readonly id: string;
  readonly label: string | undefined;
  /** Runs `fn` with this owner bound to its async context: acquisitions in it use this owner. */
  run<T>(fn: () => T): T;
}

/** Defaults for `AcquireOptions`, and how the backend is treated. */
export interface LocksOptions {
  /** Default 30,000. */
  ttlMs?: number | undefined;
  /** Default Infinity. */
  waitMs?: number | undefined;
  /** Default true. */
  autoRenew?: boolean | undefined;
  /** Default Infinity. */
  maxHoldMs?: number | undefined;
  /** Default 0. */
  graceMs?: number | undefined;
  /** How long a backend without an answer is tried before LOCK_BACKEND; default 10,000. */
  backendTimeoutMs?: number | undefined;
  /** One call without an answer counts as unknown after this; default min(ttl/3, 2,000). */
  attemptTimeoutMs?: number | undefined;
  /**
   * Local hand-over: after this many hand-overs inside the process, or this many ms, other processes get their turn.
   * Default `{ count: 64, ms: 50 }`: longer runs serve more of this process, and a process that comes meanwhile waits longer;
   * `{ count: 0 }` turns it off.
   */
  localRun?: { count: number; ms?: number | undefined } | undefined;
  /**
   * Who we are, for people: `inspect`, `list` and `watch` show it as `holder`, and every owner ID in the backend begins with it. At
   * most 64 characters; default `<host>:<pid>`. It is no identity: two processes may have the same name.
   */
  name?: string | undefined;
  /** For tests; default the system's clock. */
  clock?: Clock | undefined;
}

/** Time, injected so that tests run in milliseconds. */
export interface Clock {
  /** Monotonic ms; never steps. All leases count on it (H49). */
  now(): number;
  /** Wall-clock ms, used only to notice that the machine slept. */
  wallNow(): number;
  /** A timer that does not keep the process alive. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

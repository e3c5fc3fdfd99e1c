import type { Capabilities, LockInfo } from './lock-adapter.ts';
import type { Clock } from './platform.ts';

/**
 * The locks of one backend; created by `createLocks` or, from a URL, by `openLocks` of the package `holdfast`. `Token` is `bigint`
 * if fencing is required, since every lock then has a token.
 */
export interface Locks<Token extends bigint | undefined = bigint | undefined> extends AsyncDisposable {
  readonly adapter: { readonly name: string; readonly capabilities: Capabilities };
  /**
   * Waits for the lock.
   * @throws LockError LOCK_TIMEOUT busy past `waitMs`; LOCK_BACKEND no answer; LOCK_INVALID_ARGUMENT; LOCK_SELF_DEADLOCK;
   * LOCK_CLOSED; LOCK_FOREIGN_KEY; or the signal's own reason.
   */
  acquire(key: string, options?: AcquireOptions): Promise<Lock<Token>>;
  /** Makes one attempt and does not wait: `undefined` if the lock is busy. Throws like `acquire`, but never LOCK_TIMEOUT. */
  tryAcquire(key: string, options?: AcquireOptions): Promise<Lock<Token> | undefined>;
  /** Runs `body` under the lock and releases it. The result or error is always that of the body (H56). */
  using<T>(key: string, body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  using<T>(key: string, options: AcquireOptions, body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  /**
   * Waits for all keys. They are sorted and acquired one after the other, so that callers with common keys never deadlock. `waitMs`
   * and `signal` cover all keys together. Either all are held or none: when the call rejects, the locks that it had acquired have been
   * released. If a lock is lost while the others are still being acquired, the call fails.
   * @throws LockError like `acquire`, with the key that failed; LOCK_LOST; LOCK_INVALID_ARGUMENT without any key
   */
  acquireAll(keys: readonly string[], options?: AcquireOptions): Promise<LockGroup<Token>>;
  /** Makes one attempt for each key and does not wait: `undefined`, and nothing is held, if one of them is busy. */
  tryAcquireAll(keys: readonly string[], options?: AcquireOptions): Promise<LockGroup<Token> | undefined>;
  /** Runs `body` under the locks of all keys, as `using` does under one. */
  usingAll<T>(keys: readonly string[], body: (group: LockGroup<Token>) => T | Promise<T>): Promise<T>;
  usingAll<T>(
    keys: readonly string[],
    options: AcquireOptions,
    body: (group: LockGroup<Token>) => T | Promise<T>,
  ): Promise<T>;
  /**
   * Leader election: campaigns for the key, runs `body` while it leads, and campaigns again after a loss, once the body has settled.
   * What the body returns or throws after a loss does not count. `term.signal` aborts when the term is lost, and when `signal` aborts.
   * The call ends with the result or error of the body while it leads, or, when `signal` aborts, with the signal's reason once the
   * body has settled. The key is released first. An outage of the backend does not end it. `waitMs` limits each campaign (default
   * Infinity, whatever the default of these `Locks`), and `maxHoldMs` limits each term, after which it campaigns again.
   * @throws LockError like `acquire`; LOCK_TIMEOUT and LOCK_BACKEND only with a `waitMs`, or for a refusal
   */
  lead(key: string, body: (term: Lock<Token>) => void | Promise<void>, options?: AcquireOptions): Promise<void>;
  /**
   * Yields who holds the key (`undefined` if it is free) at once, and again whenever the holder, the number of waiters or the claim
   * changes. Releases that the backend announces are noticed at once, everything else within half a second, so shorter states may be
   * missed. Ends when `signal` aborts, when these `Locks` are closed, or when the loop is left.
   * @throws LockError LOCK_UNSUPPORTED if the backend cannot tell; LOCK_BACKEND after `backendTimeoutMs` without an answer
   */
  watch(key: string, options?: WatchOptions): AsyncIterable<LockInfo | undefined>;
  /**
   * A semaphore: at most `limit` permits of the key are held at a time, across all processes. Sends nothing to the backend.
   * @throws LockError LOCK_UNSUPPORTED if the backend has no permits; LOCK_INVALID_ARGUMENT for an invalid limit
   */
  semaphore(key: string, limit: number): Semaphore<Token>;
  /** Creates an identity for reentrancy. Pass it as `owner`, or bind it with `owner.run`. */
  createOwner(label?: string): LockOwner;
  /** Who holds the key in the backend; `undefined` if it is free. Throws LOCK_BACKEND rather than guessing (H24). */
  inspect(key: string): Promise<LockInfo | undefined>;
  /**
   * Yields the locks that are held, in no particular order, while it looks them up: locks that are acquired or released meanwhile may
   * or may not be among them. In `pattern`, `*` matches any characters and `?` matches one; the default is `*`. This is for operators,
   * since it may search the whole database.
   * @throws LockError LOCK_UNSUPPORTED if the backend cannot tell; LOCK_BACKEND no answer
   */
  list(pattern?: string): AsyncIterable<LockInfo>;
  /**
   * Frees the key, whoever holds it, or only if `owner` (an owner ID that `inspect` shows) holds it. Returns `false` if there was
   * nothing to free. This is for operators, not for programs.
   * @throws LockError LOCK_UNSUPPORTED if the backend cannot do it; LOCK_BACKEND no answer
   */
  forceRelease(key: string, owner?: string): Promise<boolean>;
  /** Fails pending acquisitions with LOCK_CLOSED, releases all held locks, and closes what the adapter opened. Idempotent. */
  close(): Promise<void>;
}

/** How to acquire and hold a lock. For options that are left out, the defaults of the `Locks` apply. */
export interface AcquireOptions {
  /**
   * The length of the lease in ms, default 30,000. A shorter lease frees the lock of a crashed holder sooner; a longer one survives
   * longer stalls.
   */
  ttlMs?: number | undefined;
  /** How long to wait for a busy lock, in ms; default Infinity. With 0, there is a single attempt. */
  waitMs?: number | undefined;
  /** Whether the watchdog renews the lease, every third of its length; default true. With false, the lease ends after `ttlMs`. */
  autoRenew?: boolean | undefined;
  /** The lock is lost after this many ms, so that a task that hangs cannot block the others forever (H50). Default Infinity. */
  maxHoldMs?: number | undefined;
  /**
   * A lock-delay like that of Chubby and Consul: after a crash, or a loss that the holder could not prevent, nobody gets the key for this
   * many ms more, so that what the holder had sent arrives before anybody else starts. Default 0. A release frees the key at once, even
   * after the loss, since the work is then over; so do `close` and a forced release. LOCK_UNSUPPORTED if holds end with a
   * session.
   */
  graceMs?: number | undefined;
  /** Cancels the wait, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** The identity for reentrancy. Default: the owner of the async context, or otherwise a new one. */
  owner?: LockOwner | undefined;
  /** Default true. With false, acquiring one's own lock again fails at once with LOCK_SELF_DEADLOCK. */
  reentrant?: boolean | undefined;
  /** Default `exclusive`. Any number of owners can hold a key `shared` at the same time, but not together with an exclusive holder. */
  mode?: 'exclusive' | 'shared' | undefined;
}

/** How to acquire permits of a semaphore. Permits are not reentrant: each acquisition takes its own. */
export interface SemaphoreOptions extends Omit<AcquireOptions, 'mode' | 'reentrant'> {
  /** How many permits to hold, default 1. A large request is served in its turn: smaller ones do not overtake it. */
  permits?: number | undefined;
}

/** The permits of one key. Each acquisition is a lock with its own lease, fencing token and signal. */
export interface Semaphore<Token extends bigint | undefined = bigint | undefined> {
  readonly key: string;
  /** Stored with the key while it is in use. Meanwhile, a different limit is refused with LOCK_INVALID_ARGUMENT. */
  readonly limit: number;
  /** Waits for permits. Throws like `Locks.acquire`. */
  acquire(options?: SemaphoreOptions): Promise<Lock<Token>>;
  /** Makes one attempt and does not wait: `undefined` if there are too few permits, or if others are waiting. */
  tryAcquire(options?: SemaphoreOptions): Promise<Lock<Token> | undefined>;
  /** Runs `body` with permits and releases them. The result or error is always that of the body. */
  using<T>(body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  using<T>(options: SemaphoreOptions, body: (lock: Lock<Token>) => T | Promise<T>): Promise<T>;
  /** Who holds permits: the first holder, and the number of holders. `undefined` if nobody does. */
  inspect(): Promise<LockInfo | undefined>;
}

/** How to watch a key. */
export interface WatchOptions {
  /** Ends the watch. */
  signal?: AbortSignal | undefined;
}

/** A lock that was acquired. `await using` releases it at the end of the block. */
export interface Lock<Token extends bigint | undefined = bigint | undefined> extends AsyncDisposable {
  readonly key: string;
  readonly owner: LockOwner;
  /** The mode in which it is held; `permits` for a lock of a semaphore. */
  readonly mode: 'exclusive' | 'shared' | 'permits';
  /**
   * Higher for every later hold of the key; `undefined` if the backend has no tokens. Let the protected resource check it. A shared
   * lock has the token of the last exclusive hold before it, or 0n if there was none.
   */
  readonly fencingToken: Token;
  /**
   * Aborts with LockError LOCK_LOST before the lease can pass to another owner. Keep it in a variable, and check `aborted` after adding
   * a listener: any access to `lock.signal` may be the one that notices the end of the lease.
   */
  readonly signal: AbortSignal;
  readonly state: 'held' | 'released' | 'lost';
  /** Ms until the lease ends for its holder, unless it is renewed; 0 once lost or released. `maxHoldMs` may end the lock before. */
  readonly remainingMs: number;
  /** Throws LOCK_LOST if the lease has ended, or LOCK_RELEASED if the lock was released. */
  assertHeld(): void;
  /**
   * Puts the lock inside your own transaction: verifies the hold there, on the client on which the transaction was begun, and pins it.
   * Nobody else is granted the key until that transaction ends, even if the lease ends in the meantime, so what it writes cannot be stale.
   * Commit before you release the lock.
   * @throws LockError LOCK_LOST: roll back; LOCK_INVALID_ARGUMENT without a transaction; LOCK_BACKEND for an
   * error of the client, which is its `cause`: roll back; LOCK_UNSUPPORTED if the backend is not a database
   */
  assertIn(client: unknown): Promise<void>;
  /**
   * Renews the lease now. Throws LOCK_LOST if it is gone, or LOCK_BACKEND if it was refused or had no answer: the lease then stays as it
   * was, or ends as early as requested.
   */
  renew(ttlMs?: number): Promise<void>;
  /**
   * Turns an exclusive lock into a shared one in a single step: nobody else holds it exclusively in between, and waiting readers are let
   * in. Throws like `renew`, and LOCK_INVALID_ARGUMENT if a nested lock relies on the exclusive one. From the call on, the lock counts
   * as shared.
   */
  downgrade(): Promise<void>;
  /** Releases the lock. Never throws, even if the lock was lost. Idempotent. */
  release(): Promise<'released' | 'lost'>;
  /** What `JSON.stringify` and `util.inspect` show. */
  toJSON(): LockDescription;
}

/** The locks of several keys, held together. `await using` releases all of them at the end of the block. */
export interface LockGroup<Token extends bigint | undefined = bigint | undefined> extends AsyncDisposable {
  /** One lock for each different key, in the order of the keys' UTF-8 bytes. */
  readonly locks: readonly Lock<Token>[];
  /** Aborts when any of the locks is lost, with the LOCK_LOST error of that lock. Keep it in a variable, like the signal of a lock. */
  readonly signal: AbortSignal;
  /** `held` while all locks are held; `lost` once one of them is lost. */
  readonly state: 'held' | 'released' | 'lost';
  /** Throws LOCK_LOST if the lease of any lock has ended. */
  assertHeld(): void;
  /** Releases all locks, the last one first. Returns `lost` if any of them was lost before. Never throws. Idempotent. */
  release(): Promise<'released' | 'lost'>;
  /** What `JSON.stringify` and `util.inspect` show. */
  toJSON(): { readonly state: 'held' | 'released' | 'lost'; readonly locks: readonly LockDescription[] };
}

/** A lock as it is logged. The token is a string of digits, since JSON has no bigint. */
export interface LockDescription {
  readonly key: string;
  readonly state: 'held' | 'released' | 'lost';
  readonly fencingToken: string | undefined;
  readonly remainingMs: number;
}

/** An identity for reentrancy. JavaScript has no thread identity, so it is passed explicitly or bound to the async context. */
export interface LockOwner {
  readonly id: string;
  readonly label: string | undefined;
  /** Runs `fn` with this owner bound to its async context, so that acquisitions inside it use this owner. */
  run<T>(fn: () => T): T;
}

/** Defaults for `AcquireOptions`, and how to treat the backend. */
export interface LocksOptions {
  /** The length of a lease in ms; default 30,000. See `AcquireOptions`. */
  ttlMs?: number | undefined;
  /** How long to wait for a busy lock, in ms; default Infinity. */
  waitMs?: number | undefined;
  /** Whether leases are renewed while they are held; default true. */
  autoRenew?: boolean | undefined;
  /** How long a lock may be held, in ms; default Infinity. */
  maxHoldMs?: number | undefined;
  /** For how much longer a key stays busy after a crash, in ms; default 0. */
  graceMs?: number | undefined;
  /** How long to keep trying a backend that does not answer before LOCK_BACKEND, in ms; default 10,000. */
  backendTimeoutMs?: number | undefined;
  /** The time after which the outcome of a single call without an answer counts as unknown, in ms; default min(ttl/3, 2,000). */
  attemptTimeoutMs?: number | undefined;
  /**
   * The local hand-over batch: after this many hand-overs within the process, or this many ms, other processes get their turn.
   * Default `{ count: 64, ms: 50 }`, with a count of 512 on ZooKeeper, etcd and PostgreSQL, where passing the key on costs a write
   * to disk. A longer batch serves more waiters of this process and lets other processes wait longer; `{ count: 0 }` turns local
   * hand-over off.
   */
  localRun?: { count: number; ms?: number | undefined } | undefined;
  /**
   * The name of this process, for people: `inspect`, `list` and `watch` show it as `holder`, and every owner ID in the backend begins
   * with it. At most 64 characters; default `<host>:<pid>`. It is not an identity: two processes may have the same name.
   */
  name?: string | undefined;
  /** The clock, for tests; default the system's clock. */
  clock?: Clock | undefined;
}

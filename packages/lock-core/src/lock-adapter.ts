/**
 * What an adapter implements: a plain object that makes one attempt per call. It has no retry loop, no lease timer and no wall clock.
 *
 * Everything else follows from two rules:
 * - An expected outcome is a value. A rejected promise means "unknown": the command may have taken effect. The only exception is a
 *   `LockError` whose `retryable` is false: that is a definite answer, which would be the same for a repeated call.
 * - Every call is idempotent by `owner`, so that a lost, late or duplicate reply is harmless (H12, H13, H64).
 */
export interface LockAdapter {
  /** A short name for messages and reports, e.g. `ioredis`. */
  readonly name: string;
  /** What this backend guarantees. Declared once; checked by the conformance suite, and by `require` at start-up. */
  readonly capabilities: Capabilities;
  /**
   * The default of `localRun.count` with this adapter; 64 if absent. Choose more if passing the key on costs a write to disk: the
   * hand-overs inside a process should take about as long as passing the key to the next process.
   */
  readonly localRunCount?: number | undefined;

  /** Requests the lock once. A repeated request of the owner that holds it is granted, with the same token and a fresh TTL. */
  tryAcquire(attempt: AcquireAttempt): Promise<AcquireOutcome>;
  /** Extends a hold. Never revives one: if it has expired or was taken over, the outcome is `lost`, and nothing changes (H5, H6). */
  renew(hold: HoldRef, ttlMs: number): Promise<RenewOutcome>;
  /** Frees the lock if `hold.owner` still holds it, and withdraws the place of that owner in the queue. A repeated call gets `not-held`. */
  release(hold: HoldRef): Promise<ReleaseOutcome>;

  /**
   * Waits in the backend's own FIFO queue until the lock is granted. When `signal` aborts, the place in the queue is withdrawn. The
   * promise then rejects, or resolves if the grant came first; the caller releases the lock in that case.
   */
  enqueue?(attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted>;
  /**
   * A hint that the key may be free now. It may come too early, and it may be missed.
   *
   * The first call for a `signal` resolves as soon as the subscription is established, because a release may have been missed before
   * (H37). The subscription lasts until `signal` aborts. Each further call with the same signal resolves at the next hint after that
   * call. Rejects only if the subscription fails or the signal aborts.
   */
  whenFree?(key: string, signal: AbortSignal): Promise<void>;
  /**
   * Turns the exclusive hold of this owner into a shared one in one atomic step, with a fresh lease of `ttlMs`, and admits the
   * shared waiters at the head of the queue. Idempotent: a hold that is already shared is renewed. Required if the adapter declares
   * `shared`.
   */
  downgrade?(hold: HoldRef, ttlMs: number): Promise<RenewOutcome>;
  /** Renews many holds with the same TTL together; outcome `i` belongs to hold `i`. */
  renewMany?(holds: readonly HoldRef[], ttlMs: number): Promise<RenewOutcome[]>;
  /** Who holds the key now; `undefined` if it is free. */
  inspect?(key: string): Promise<InspectedLock | undefined>;
  /**
   * One page of the keys that are held, in no particular order. Without a cursor, it is the first page. A key may be listed twice, and
   * may be free by now. A key that stays held from the first page to the last is never left out.
   */
  keys?(cursor?: string): Promise<KeysPage>;
  /**
   * Frees the key if `owner` holds it now; otherwise returns `false` and changes nothing. The call is therefore idempotent, and core
   * may repeat it. Without `owner`, it ends all holds of the key and returns `false` if the key was free; core never repeats that call.
   */
  forceRelease?(key: string, owner?: string): Promise<boolean>;
  /**
   * For a backend that is a database with transactions: verifies the hold inside the open transaction of `client`, and pins it. Nobody
   * else is granted the key until that transaction ends, even if the lease ends in the meantime. Rejects with LOCK_LOST if the hold is
   * gone, and with LOCK_INVALID_ARGUMENT if `client` is not in a transaction.
   */
  assertIn?(hold: HoldRef, client: unknown): Promise<void>;
  /** Closes what the adapter itself opened, but never the caller's client. Idempotent. */
  close?(): Promise<void>;
}

/**
 * What a request asks for. An adapter that declares neither `shared` nor `permits` only ever receives exclusive claims.
 *
 * Claims are granted by the same rule on every backend. First, expired holders and waiters are removed. Then claims are granted from
 * the head of the queue, as long as each is compatible with the holders. An exclusive claim is compatible if there is no holder, a
 * shared claim if all holders are shared, and `permits` if the sum stays within `limit`. The first incompatible claim ends the
 * grants, and a new request never overtakes a live waiter. Exclusive grants and grants of permits get new fencing tokens. A shared
 * grant carries the last token that was issued before it, or 0n.
 *
 * The limit is kept with the key while the key has a holder or a waiter. A claim with a different limit, or of a different kind, is then
 * refused with LOCK_INVALID_ARGUMENT, which is not retryable and names both. Exclusive and shared are one kind; permits are the other.
 */
export type Claim =
  | { readonly mode: 'exclusive' }
  | { readonly mode: 'shared' }
  | { readonly mode: 'permits'; readonly permits: number; readonly limit: number };

/**
 * One request for the lock. It is not a plain object: an adapter that wraps another one must pass it on as it is, or copy each field
 * by name, since a copy by `{ ...attempt }` has neither `signal` nor `onQueued`.
 */
export interface AcquireAttempt {
  readonly key: string;
  /** The owner ID: unique per hold, with at least 128 random bits. Always compared as a whole (H4). */
  readonly owner: string;
  readonly ttlMs: number;
  /** How many consecutive fencing tokens to reserve for this hold; at least 1. */
  readonly tokens: number;
  /** What is requested; `undefined` means exclusive. */
  readonly claim?: Claim | undefined;
  /** Aborts when the caller no longer wants the answer. */
  readonly signal: AbortSignal;
  /**
   * For `enqueue`: call this when the backend has confirmed the place in the queue. Before the call, core takes silence for an
   * unreachable backend; after it, for a busy lock.
   */
  onQueued?(): void;
}

/** Identifies one hold. */
export interface HoldRef {
  readonly key: string;
  readonly owner: string;
  readonly fencingToken?: bigint | undefined;
  /**
   * What the hold was granted for; `undefined` means exclusive. While a `downgrade` is unanswered, this is `shared`, although the hold
   * may still be exclusive. The adapter must find the hold in both cases.
   */
  readonly claim?: Claim | undefined;
  /**
   * For `release` without a queue in the backend, if the backend can tell: call this before the answer, with the number of other
   * clients that were seen waiting for the key. They get their turns before this client requests the key again.
   */
  onWaiting?(others: number): void;
}

/** The lock was granted to the caller. */
export interface Granted {
  readonly status: 'granted';
  readonly fencingToken?: bigint | undefined;
  /** How many tokens, from `fencingToken` upwards, are reserved for this hold; default 1. */
  readonly tokens?: number | undefined;
  /**
   * For this many ms after the adapter was *called* (H47), the backend cannot grant the lock to anybody else. For `enqueue`, that
   * includes the wait, so it can be much more than the TTL. Measure the wait on the monotonic clock of the waiting process, never as
   * the difference of two server times: core's margin for clock drift covers one TTL, not hours. Core relies on at most one whole
   * lease, counted from the moment when the grant arrives.
   */
  readonly validForMs: number;
  /** How many other clients were seen waiting, if the backend can tell. After a local hand-over batch, they get their turns first. */
  readonly waiting?: number | undefined;
}

/** The answer to an attempt. If the lock is busy, `retryAfterMs` is the time until a retry may be worthwhile, if the backend can tell. */
export type AcquireOutcome = Granted | { readonly status: 'busy'; readonly retryAfterMs?: number | undefined };
/** The hold was renewed, with `validForMs` as in `Granted`; or it is no longer held by this owner. */
export type RenewOutcome = { readonly status: 'renewed'; readonly validForMs: number } | { readonly status: 'lost' };
/** The lock was freed by this call; or this owner does not hold it, whether it never did, lost it, or released it before. */
export type ReleaseOutcome = 'released' | 'not-held';

/** What a backend guarantees. The conformance suite checks each flag in both directions. */
export interface Capabilities {
  /** Fencing tokens increase strictly for each key, across releases, expiry and crashes. */
  readonly fencing: boolean;
  /** `fifo`: waiters are granted the lock in the order in which they queued, across processes. */
  readonly fairness: 'fifo' | 'none';
  /** What frees the lock of a crashed holder: the end of the lease, or the end of the session. */
  readonly expiry: 'ttl' | 'session';
  /** How a waiter learns of a release: the backend notifies it, or it polls. */
  readonly wakeup: 'push' | 'poll';
  /** Whether exclusion still holds after the backend has lost its leader or primary. */
  readonly survivesFailover: boolean;
  /** Whether it excludes other processes, and not only other tasks of this process. */
  readonly crossProcess: boolean;
  /** Whether it accepts shared claims, and has `downgrade`; false if absent. */
  readonly shared?: boolean | undefined;
  /** Whether it accepts claims of permits; false if absent. */
  readonly permits?: boolean | undefined;
  readonly ttl: {
    /** The shortest lease that the backend grants; a shorter request is raised to it. */
    readonly minMs: number;
    readonly granularityMs: number;
    /** By how many ms the lock of a crashed holder may be freed late. */
    readonly maxOvershootMs: number;
  };
}

/** Some of the keys that are held. */
export interface KeysPage {
  readonly keys: readonly string[];
  /** Where the next page begins, in a format of the adapter's own; `undefined` after the last page. */
  readonly next: string | undefined;
}

/** The state of a held key, as `inspect` reports it. `owner`, `remainingMs` and `fencingToken` are those of the earliest holder. */
export interface LockInfo {
  readonly key: string;
  /** The owner ID of the hold. It is unique per hold and not a secret. */
  readonly owner: string;
  /** Ms until the backend frees the key by itself, including `graceMs`; `undefined` if a session decides, or if it never expires. */
  readonly remainingMs: number | undefined;
  readonly fencingToken: bigint | undefined;
  /** The number of queued waiters; `undefined` if the backend does not know it. */
  readonly waiters: number | undefined;
  /** How the key is held; exclusively if absent. */
  readonly mode?: Claim['mode'] | undefined;
  /** How many owners hold it; one if absent. */
  readonly holders?: number | undefined;
  /** The number of permits in total, if the key is a semaphore. */
  readonly limit?: number | undefined;
  /** The process that holds it, read from the owner ID. Filled in by core; absent if another library made the owner ID. */
  readonly holder?: LockHolder | undefined;
}

/** What an adapter returns from `inspect`. */
export interface InspectedLock extends Omit<LockInfo, 'holder'> {
  /**
   * When the owner was granted the key (not when it requested it), by the clock of the server. Renewals do not change it. Absent if the
   * backend does not store this time, because that would cost another request.
   */
  readonly since?: Date | undefined;
}

/** The process that holds a lock, under the name that it gave itself. */
export interface LockHolder {
  /** `LocksOptions.name`. */
  readonly name: string;
  /** When it requested the lock, to the second, by the clock of its machine. If it had to wait, it was granted the lock later. */
  readonly askedAt?: Date | undefined;
  /**
   * When it was granted the lock, by the clock of the server; on Redlock, by the clock of its machine. Absent on Redis without fencing
   * tokens. Also absent on ZooKeeper and etcd, which store only when it requested the lock, unless this `Locks` is the holder.
   */
  readonly since?: Date | undefined;
  /** From a name of the form `<host>:<pid>`, which is the default; otherwise absent. */
  readonly host?: string | undefined;
  readonly pid?: number | undefined;
}

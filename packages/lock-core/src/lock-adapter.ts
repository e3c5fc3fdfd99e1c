/**
 * What an adapter implements. A plain object, one attempt per call: no retry loop, no lease timer, no wall clock.
 *
 * Two rules carry the rest:
 * - an expected outcome is a value; a rejected promise means "unknown", the command may have taken effect.
 *   The one exception is a `LockError` whose `retryable` is false: a definite answer that no repetition changes;
 * - everything is idempotent by `owner`, so that a lost, late or doubled reply is harmless (H12, H13, H64).
 */
export interface LockAdapter {
  /** A short name for messages and reports, e.g. `ioredis`. */
  readonly name: string;
  /** What this backend promises. Declared once, checked by the conformance suite and by `require` at start-up. */
  readonly capabilities: Capabilities;

  /** Asks once for the lock. Asked again by the owner that holds it: granted, same token, fresh TTL. */
  tryAcquire(attempt: AcquireAttempt): Promise<AcquireOutcome>;
  /** Prolongs a hold. Never resurrects: an expired or taken-over lock is `lost` and stays untouched (H5, H6). */
  renew(hold: HoldRef, ttlMs: number): Promise<RenewOutcome>;
  /** Frees the lock if `hold.owner` still has it, and withdraws a place of that owner in the queue. Repeated: `not-held`. */
  release(hold: HoldRef): Promise<ReleaseOutcome>;

  /**
   * Waits in the backend's own FIFO queue until granted. An abort of `signal` withdraws the place; the promise then
   * rejects, or resolves if the grant came first (the caller releases it).
   */
  enqueue?(attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted>;
  /**
   * A hint that the key may be free now; it may fire too early and may be missed.
   *
   * The first call for a `signal` resolves as soon as the subscription stands, because a release may have gone by before
   * (H37). The subscription lasts until `signal` aborts; each further call with the same signal resolves at the next hint
   * after that call. Rejects only when the subscription fails or the signal aborts.
   */
  whenFree?(key: string, signal: AbortSignal): Promise<void>;
  /**
   * Turns the exclusive hold of this owner into a shared one, in one atomic step, with a fresh lease of `ttlMs`, and admits the
   * shared waiters at the head of the queue. Idempotent: a hold that is shared already is renewed. Required where `shared` is
   * declared.
   */
  downgrade?(hold: HoldRef, ttlMs: number): Promise<RenewOutcome>;
  /** Renews many holds of one TTL together; outcome `i` belongs to hold `i`. */
  renewMany?(holds: readonly HoldRef[], ttlMs: number): Promise<RenewOutcome[]>;
  /** Who holds the key now, `undefined` when it is free. */
  inspect?(key: string): Promise<InspectedLock | undefined>;
  /**
   * One page of the keys that are held, in no order; the first without a cursor. A key may come twice, and may be free by now;
   * none is left out that is held all the while from the first page to the last.
   */
  keys?(cursor?: string): Promise<KeysPage>;
  /**
   * Frees the key from `owner` if it holds it now, else answers `false` and touches nothing: so the call is idempotent, and core
   * may repeat it. Without `owner` it frees the key from all of its holders, and is never repeated; `false` when the key was free.
   */
  forceRelease?(key: string, owner?: string): Promise<boolean>;
  /**
   * For a backend that is a database with transactions: verifies the hold inside the open transaction of `client`, and pins it. Until that
   * transaction ends, nobody else is granted the key, even if the lease ends meanwhile. Rejects with LOCK_LOST when the hold is gone, and with
   * LOCK_INVALID_ARGUMENT when `client` is in no transaction.
   */
  assertIn?(hold: HoldRef, client: unknown): Promise<void>;
  /** Closes what the adapter opened itself, never the caller's client. Idempotent. */
  close?(): Promise<void>;
}

/**
 * What a request asks for. An adapter that declares neither `shared` nor `permits` only ever receives exclusive claims.
 *
 * One rule grants them on every backend. The holders of a key and the queue of its waiters are rid of all that has expired; then
 * the head of the queue is granted for as long as it is compatible with the holders: an exclusive claim with none, a shared one
 * with shared ones, `permits` while the sum stays within `limit`. The first that is not compatible ends it, and a newcomer never
 * passes a live waiter. Exclusive and permit grants get new fencing tokens; a shared one carries the last that was given before it,
 * or 0n.
 *
 * The limit is kept with the key while that has a holder or a waiter. A claim with another limit, or of another kind (exclusive and
 * shared are one kind, permits the other), is then refused: LOCK_INVALID_ARGUMENT, not retryable, naming both.
 */
export type Claim =
  | { readonly mode: 'exclusive' }
  | { readonly mode: 'shared' }
  | { readonly mode: 'permits'; readonly permits: number; readonly limit: number };

/**
 * One request for the lock. Not a plain object: who wraps an adapter passes it on as it is, or names each field, since a
 * copy by `{ ...attempt }` has neither `signal` nor `onQueued`.
 */
export interface AcquireAttempt {
  readonly key: string;
  /** Unique per hold, at least 128 random bits; compared whole (H4). */
  readonly owner: string;
  readonly ttlMs: number;
  /** How many consecutive fencing tokens to reserve for this hold; at least 1. */
  readonly tokens: number;
  /** What is asked for; `undefined` means exclusive. */
  readonly claim?: Claim | undefined;
  /** Aborts when the caller no longer wants the answer. */
  readonly signal: AbortSignal;
  /**
   * For `enqueue`: to be called once the backend has confirmed the place in the queue. Until then core takes silence for
   * an unreachable backend, from then on for a busy lock.
   */
  onQueued?(): void;
}

/** Names one hold. */
export interface HoldRef {
  readonly key: string;
  readonly owner: string;
  readonly fencingToken?: bigint | undefined;
  /**
   * What the hold was granted for; `undefined` means exclusive. While a `downgrade` has no answer it says `shared`, and the hold
   * may still be exclusive: what the owner has is found either way.
   */
  readonly claim?: Claim | undefined;
  /**
   * For `release` without a queue in the backend: to be called before the answer with how many other clients were seen
   * waiting for the key, where the backend can tell. They get their turns before this client asks again.
   */
  onWaiting?(others: number): void;
}

/** The lock is the caller's. */
export interface Granted {
  readonly status: 'granted';
  readonly fencingToken?: bigint | undefined;
  /** How many tokens, from `fencingToken` upwards, are reserved for this hold; default 1. */
  readonly tokens?: number | undefined;
  /**
   * The backend cannot give the lock away sooner than this many ms after the adapter was *called* (H47), for `enqueue`
   * too, where it may well be more than the TTL. A wait is measured on the monotonic clock of the process that waits, never as
   * the difference of two times of the server: core's margin for drift covers one TTL, not hours. Core counts on no more than
   * one whole lease from the moment when the grant is here.
   */
  readonly validForMs: number;
  /** How many other clients were seen waiting for the key, where the backend can tell: they get their turns first after a local run. */
  readonly waiting?: number | undefined;
}

/** The answer to an attempt; busy with, where the backend can tell, the time until it may be worth asking again. */
export type AcquireOutcome = Granted | { readonly status: 'busy'; readonly retryAfterMs?: number | undefined };
/** Prolonged, with the time for which it is good as in `Granted`; or no longer this owner's. */
export type RenewOutcome = { readonly status: 'renewed'; readonly validForMs: number } | { readonly status: 'lost' };
/** Freed just now, or not held by this owner: never, no more, or released before. */
export type ReleaseOutcome = 'released' | 'not-held';

/** What a backend promises; each flag is checked in both directions by the conformance suite. */
export interface Capabilities {
  /** Tokens strictly increase per key, over release, expiry and crash. */
  readonly fencing: boolean;
  /** `fifo`: grants follow the order of queueing, across processes. */
  readonly fairness: 'fifo' | 'none';
  /** What frees the lock of a crashed holder. */
  readonly expiry: 'ttl' | 'session';
  /** How a waiter learns of a release. */
  readonly wakeup: 'push' | 'poll';
  /** Exclusion holds when the backend loses its leader or primary. */
  readonly survivesFailover: boolean;
  /** Excludes other processes, not only other tasks of this one. */
  readonly crossProcess: boolean;
  /** Takes shared claims, and has `downgrade`; absent: false. */
  readonly shared?: boolean | undefined;
  /** Takes claims of permits; absent: false. */
  readonly permits?: boolean | undefined;
  readonly ttl: {
    /** The shortest lease that the backend grants; a shorter request is raised to it. */
    readonly minMs: number;
    readonly granularityMs: number;
    /** How much later than asked a crashed holder's lock may be freed. */
    readonly maxOvershootMs: number;
  };
}

/** Some of the keys that are held. */
export interface KeysPage {
  readonly keys: readonly string[];
  /** Where the next page begins, in the adapter's own words; `undefined` after the last one. */
  readonly next: string | undefined;
}

/** The state of a held key, as `inspect` reports it: of several holders `owner`, `remainingMs` and token are those of the earliest. */
export interface LockInfo {
  readonly key: string;
  /** The owner ID of the hold: unique per hold, not a secret. */
  readonly owner: string;
  /** Time until the backend frees it by itself, a `graceMs` included; `undefined` where that hangs on a session or there is no expiry. */
  readonly remainingMs: number | undefined;
  readonly fencingToken: bigint | undefined;
  /** Queued waiters, where the backend knows them. */
  readonly waiters: number | undefined;
  /** How the key is held; absent: exclusively. */
  readonly mode?: Claim['mode'] | undefined;
  /** How many owners hold it; absent: one. */
  readonly holders?: number | undefined;
  /** Of a key that is held by permits: how many there are in all. */
  readonly limit?: number | undefined;
  /** Who the owner is, by the name in its owner ID. Core fills it in; absent for an owner ID that another library made. */
  readonly holder?: LockHolder | undefined;
}

/** What an adapter answers to `inspect`. */
export interface InspectedLock extends Omit<LockInfo, 'holder'> {
  /**
   * Since when the owner has held the key, by the clock of the server, and not since when it has asked for it; absent where the backend
   * keeps no such time, as writing it would be a request more. Renewals do not change it.
   */
  readonly since?: Date | undefined;
}

/** The process that holds a lock, as it named itself. */
export interface LockHolder {
  /** `LocksOptions.name`. */
  readonly name: string;
  /** When it asked for the lock, to the second, by the clock of its machine. If it waited, it has held the lock for less long. */
  readonly askedAt?: Date | undefined;
  /**
   * Since when it has held the lock: by the clock of the server, on Redlock by that of its machine. Absent on ZooKeeper and etcd, whose
   * records tell only when it asked, unless this `Locks` is the holder; and on Redis without fencing tokens.
   */
  readonly since?: Date | undefined;
  /** From a name of the form `<host>:<pid>`, which is the default. */
  readonly host?: string | undefined;
  readonly pid?: number | undefined;
}

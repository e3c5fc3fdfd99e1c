import type { LockOwner } from './api.ts';
import type { LockError } from './errors.ts';
import { withoutOwner } from './owner.ts';
import { sharedController } from './platform.ts';

const none: readonly object[] = [];

/** The call that begins a hold. */
export interface HoldStart {
  readonly key: string;
  readonly owner: LockOwner;
  readonly number: number;
  readonly options: {
    readonly ttlMs: number;
    readonly autoRenew: boolean;
    readonly maxHoldMs: number;
  };
}

/**
 * One owner's possession of a key, shared by its reentrant locks. The lease behind it comes from the backend: a local hand-over
 * passes the lease on to another hold, and the readers of a process have one together.
 */
export class Hold {
  readonly key: string;
  readonly owner: LockOwner;
  readonly fencingToken: bigint | undefined;
  readonly since: number;
  readonly acquisition: number;
  readonly options: HoldStart['options'];
  mode: 'exclusive' | 'shared' | 'permits';
  /** Locks not yet released (H60): counted here and never in the backend, so that a repeated reply cannot miscount. */
  count = 1;
  state: 'held' | 'released' | 'lost' = 'held';
  error: LockError | undefined;
  /** Monotonic ms at which a reader that is not renewed loses its part of the lease, however long others keep that. */
  leaseEndsAt: number = Number.POSITIVE_INFINITY;
  /** A task here has waited for it for very long, and the warning was given. */
  hasWarned = false;
  /** The locks on it that were given to callers and have not been released, until `unwatched` takes them. Nearly always it is one. */
  firstLock: object | undefined;
  moreLocks: Set<object> | undefined;
  #controller: AbortController | undefined;

  constructor(start: HoldStart, mode: Hold['mode'], fencingToken: bigint | undefined, now: number) {
    this.key = start.key;
    this.owner = start.owner;
    this.acquisition = start.number;
    this.options = start.options;
    this.mode = mode;
    this.fencingToken = fencingToken;
    this.since = now;
  }

  /** When it ends, whatever becomes of the lease. */
  get endsAt(): number {
    return Math.min(this.since + this.options.maxHoldMs, this.leaseEndsAt);
  }

  /** `unwatched` has something to give. */
  get isWatchable(): boolean {
    return this.firstLock !== undefined || this.moreLocks !== undefined;
  }

  /** The locks on it that have not been released. Each is given once, and the hold then keeps it no longer. */
  unwatched(): readonly object[] {
    if (!this.isWatchable) return none;
    const locks = [...(this.firstLock === undefined ? [] : [this.firstLock]), ...(this.moreLocks ?? [])];
    this.firstLock = undefined;
    this.moreLocks = undefined;
    return locks;
  }

  /** Created lazily: an AbortController is expensive, and most holders never use it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = sharedController();
      if (this.error !== undefined) this.#controller.abort(this.error);
    }
    return this.#controller.signal;
  }

  markLost(error: LockError): void {
    this.state = 'lost';
    this.error = error;
    // The listeners run here and now, in the middle of any caller's call: they must not act for that caller's owner.
    withoutOwner(() => this.#controller?.abort(error));
  }
}

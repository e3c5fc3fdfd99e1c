import type { Waiter } from './acquisition.ts';
import type { LockOwner } from './api.ts';
import type { LockError } from './errors.ts';
import type { Lease } from './lease.ts';
import { openSignal } from './open-signal.ts';
import { withoutOwner } from './owner.ts';

/** One owner's possession of a key: what all its reentrant locks share. */
export class Hold {
  readonly key: string;
  readonly owner: LockOwner;
  readonly fencingToken: bigint | undefined;
  readonly since: number;
  /** The acquisition that began it. */
  readonly acquisition: number;
  /** Monotonic ms at which the watchdog gives up on a hung holder (H50). */
  readonly holdUntil: number;
  /** Set right after construction: lease and hold name each other. */
  lease!: Lease;
  /** Locks not yet released (H60): counted here and never in the backend, so a repeated reply cannot miscount. */
  count = 1;
  state: 'held' | 'released' | 'lost' = 'held';
  error: LockError | undefined;
  #controller: AbortController | undefined;

  constructor({ key, owner, terms, acquisition }: Waiter, fencingToken: bigint | undefined, since: number) {
    this.key = key;
    this.owner = owner;
    this.fencingToken = fencingToken;
    this.since = since;
    this.acquisition = acquisition;
    this.holdUntil = since + terms.maxHoldMs;
  }

  /** Made on demand: most holders never ask, and a signal is dear. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = openSignal();
      if (this.error !== undefined) this.#controller.abort(this.error);
    }
    return this.#controller.signal;
  }

  markLost(error: LockError): void {
    this.state = 'lost';
    this.error = error;
    // The listeners run here and now, whoever's call this is in: not in the name of that caller's owner.
    withoutOwner(() => this.#controller?.abort(error));
  }
}

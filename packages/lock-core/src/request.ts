import type { AcquireAttempt } from './lock-adapter.ts';
import { openSignal } from './open-signal.ts';
import { newId } from './owner.ts';

/**
 * What the backend is asked on behalf of one acquisition, under an owner value of its own. It is asked again with the
 * same value after a lost reply, and never again once a release was sent for it.
 */
export class AcquireRequest implements AcquireAttempt {
  readonly key: string;
  readonly owner: string = newId();
  readonly ttlMs: number;
  /** A block of tokens is wanted only where the hold may be handed over; decided at each send. */
  tokens = 1;
  /** Commands sent whose effect is unknown: no answer yet, or an error for an answer. */
  unanswered = 0;
  /** Monotonic ms of the last send. */
  sentAt = 0;
  /** Nobody holds or wants the lock under this owner value any more: what may still be granted is released. */
  reaped = false;
  /** The backend has confirmed a place in its queue. */
  queued = false;
  #controller: AbortController | undefined;

  constructor(key: string, ttlMs: number) {
    this.key = key;
    this.ttlMs = ttlMs;
  }

  onQueued(): void {
    this.queued = true;
  }

  /** Made on demand: a signal costs more than all the rest of an uncontended acquisition. */
  get signal(): AbortSignal {
    this.#controller ??= openSignal();
    return this.#controller.signal;
  }

  /** Tells the adapter that nobody wants the answer any more. */
  abandon(): void {
    this.#controller?.abort();
  }
}

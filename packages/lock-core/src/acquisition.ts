import type { Lock, LockOwner } from './api.ts';
import type { Terms } from './options.ts';
import type { AcquireRequest } from './request.ts';
import type { TimedEntry } from './timer-heap.ts';

let acquisitions = 0;

/** One caller of `acquire` or `tryAcquire` on his way to the lock. */
export class Waiter implements TimedEntry {
  /** The number of this acquisition in the process, by which those who observe it know it. */
  readonly acquisition: number = ++acquisitions;
  readonly key: string;
  readonly owner: LockOwner;
  readonly terms: Terms;
  /** One definite answer is all he wants (`tryAcquire`). */
  readonly once: boolean;
  readonly startedAt: number;
  /** Until then he waits for a busy lock. */
  readonly waitUntil: number;
  readonly promise: Promise<Lock | undefined>;
  resolve!: (lock: Lock | undefined) => void;
  reject!: (reason: unknown) => void;
  /** `queued` behind others of this process; `asking` the backend; `sleeping` until it is worth asking again. */
  phase: 'queued' | 'asking' | 'sleeping' | 'done' = 'queued';
  request: AcquireRequest;
  /** Counts the attempts, to know an old answer from a new one. */
  round = 0;
  /** Since when he has been asking without an answer. */
  silentSince: number | undefined;
  /** Failures since the last answer. */
  failures = 0;
  /** Why the last attempt got no answer; `undefined` after an answer. */
  failure: unknown;
  /** Since when the backend's queue has failed him; counts while there is a `failure`. */
  failingSince = 0;
  /** Gives up the place in the backend's own queue; set while he has one. */
  withdraw: (() => void) | undefined;
  /** Takes the listener off the caller's signal. */
  stopListening: (() => void) | undefined;
  before: Waiter | undefined;
  after: Waiter | undefined;
  at = 0;
  heapIndex = -1;
  readonly #onTime: (waiter: Waiter, now: number) => void;

  constructor(
    key: string,
    owner: LockOwner,
    terms: Terms,
    once: boolean,
    request: AcquireRequest,
    startedAt: number,
    onTime: (waiter: Waiter, now: number) => void,
  ) {
    this.key = key;
    this.owner = owner;
    this.terms = terms;
    this.once = once;
    this.request = request;
    this.startedAt = startedAt;
    this.waitUntil = startedAt + terms.waitMs;
    this.#onTime = onTime;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  fire(now: number): void {
    this.#onTime(this, now);
  }
}

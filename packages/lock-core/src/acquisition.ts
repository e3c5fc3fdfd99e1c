import type { Lock, LockOwner } from './api.ts';
import { channels } from './diagnostics.ts';
import { rejection } from './errors.ts';
import type { Hold, HoldStart } from './hold.ts';
import { attemptTimeout, type ResolvedOptions, type Settings } from './options.ts';
import type { TimedEntry } from './timer-heap.ts';

let acquisitions = 0;

/** A pending acquire call. How it waits depends on the backend: see `polling-queue.ts` and `backend-queue.ts`. */
export abstract class Acquisition implements TimedEntry, HoldStart {
  /** Identifies the acquisition in this process to those who observe it. */
  readonly number: number = ++acquisitions;
  readonly key: string;
  readonly owner: LockOwner;
  readonly options: ResolvedOptions;
  /** Single attempt; never queues (`tryAcquire`). */
  readonly once: boolean;
  readonly startedAt: number;
  /** Until when to wait for a busy lock. */
  readonly waitUntil: number;
  readonly promise: Promise<Lock | undefined>;
  private settle!: (outcome: Lock | undefined | Promise<never>) => void;
  /** `queued` behind others of this process; `asking` the backend; `sleeping` until it is worth asking again. */
  phase: 'queued' | 'asking' | 'sleeping' | 'done' = 'queued';
  /** Failed attempts since the last answer, and why the last one failed; `undefined` after an answer. */
  failures = 0;
  failure: unknown;
  /** Removes the listener from the caller's signal. */
  stopListening: (() => void) | undefined;
  /** The process stays alive for it. */
  keptAlive = false;
  before: Acquisition | undefined;
  after: Acquisition | undefined;
  at = 0;
  heapIndex = -1;

  constructor(key: string, owner: LockOwner, options: ResolvedOptions, once: boolean, startedAt: number) {
    this.key = key;
    this.owner = owner;
    this.options = options;
    this.once = once;
    this.startedAt = startedAt;
    this.waitUntil = startedAt + options.waitMs;
    this.promise = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  /** The owner ID that it asks under at present, for diagnostics. */
  abstract get ownerId(): string;
  /** Called at `at`. */
  abstract fire(now: number): void;
  /** The first waiter of its key: asks the backend, if it is time. */
  abstract takeTurn(now: number): void;
  /** Nobody wants the answer any more: gives up what was requested, and what may still be granted. */
  abstract abandon(): void;
  /** A lock on the hold, for the caller. */
  abstract toLock(hold: Hold): Lock;

  /**
   * Until when to do without an answer: for `backendTimeoutMs`, but no longer than the caller would wait for a busy lock, and
   * for at least one attempt.
   */
  unansweredUntil(settings: Settings, since: number): number {
    const patientMs = this.once ? 0 : this.options.waitMs;
    const attemptMs = attemptTimeout(settings, this.options.ttlMs);
    return since + Math.min(settings.backendTimeoutMs, Math.max(patientMs, attemptMs));
  }

  /** Tells those who observe it that the lock is busy. */
  tellWait(adapter: string): void {
    if (!channels.wait.hasSubscribers) return;
    const { key, number, ownerId } = this;
    channels.wait.publish({ adapter, key, acquisition: number, owner: ownerId });
  }

  resolve(lock: Lock | undefined): void {
    this.settle(lock);
  }

  /** Rejects with an error whose stack names the caller. */
  reject(error: unknown): void {
    this.settle(rejection(error));
  }
}

import type { Lock, LockOwner } from './api.ts';
import { channels } from './diagnostics.ts';
import { rejection } from './errors.ts';
import type { Hold, HoldStart } from './hold.ts';
import { Lease, permitsOf } from './lease.ts';
import { attemptTimeout, type ResolvedOptions, type Settings } from './options.ts';
import type { TimedEntry } from './timer-heap.ts';

/** One key in this process: its leases, and the waiters in order of arrival. */
export class KeyState {
  readonly key: string;
  /** Of a semaphore, how many permits there are; `undefined` for a lock. */
  readonly limit: number | undefined;
  /** One lease at most if it is exclusive, else any number, the oldest first. */
  firstLease: Lease | undefined;
  lastLease: Lease | undefined;
  first: Acquisition | undefined;
  last: Acquisition | undefined;
  /** Pending attempts that do not queue (`tryAcquire`): they keep the state in memory. */
  singleAttempts = 0;
  /** Since when the backend has not answered about this key, as the last waiter found that gave up. */
  unansweredSince: number | undefined;
  /** Tasks of this process have waited for each other: the lease will be handed over and needs tokens for that. */
  contended = false;
  /** Until then this process does not ask, so that others get their turn. */
  deferredUntil: number = Number.NEGATIVE_INFINITY;
  /** Ends the subscription to release hints; set while it stands or is being made. */
  hints: AbortController | undefined;
  /** Whether the subscription stands: only then may the fallback poll be slow. */
  hintsStand = false;
  /** A hint came while the first waiter was asking: the answer may be older than the hint. */
  hinted = false;

  constructor(key: string, limit: number | undefined) {
    this.key = key;
    this.limit = limit;
  }

  get idle(): boolean {
    return this.firstLease === undefined && this.first === undefined && this.singleAttempts === 0;
  }

  /** The lease that lets nobody else of this process in. */
  get exclusive(): Lease | undefined {
    return this.firstLease?.claim.mode === 'exclusive' ? this.firstLease : undefined;
  }

  append(acquisition: Acquisition): void {
    acquisition.before = this.last;
    if (this.last === undefined) this.first = acquisition;
    else this.last.after = acquisition;
    this.last = acquisition;
  }

  remove(acquisition: Acquisition): void {
    if (acquisition.before === undefined) this.first = acquisition.after;
    else acquisition.before.after = acquisition.after;
    if (acquisition.after === undefined) this.last = acquisition.before;
    else acquisition.after.before = acquisition.before;
    acquisition.before = undefined;
    acquisition.after = undefined;
  }

  addLease(lease: Lease): void {
    lease.before = this.lastLease;
    if (this.lastLease === undefined) this.firstLease = lease;
    else this.lastLease.after = lease;
    this.lastLease = lease;
  }

  /** False if it is no longer there. */
  removeLease(lease: Lease): boolean {
    if (lease.before === undefined && this.firstLease !== lease) return false;
    if (lease.before === undefined) this.firstLease = lease.after;
    else lease.before.after = lease.after;
    if (lease.after === undefined) this.lastLease = lease.before;
    else lease.after.before = lease.before;
    lease.before = undefined;
    lease.after = undefined;
    return true;
  }

  findLease(isWanted: (lease: Lease) => boolean): Lease | undefined {
    let lease = this.firstLease;
    while (lease !== undefined && !isWanted(lease)) lease = lease.after;
    return lease;
  }

  leases(): readonly Lease[] {
    const found: Lease[] = [];
    for (let lease = this.firstLease; lease !== undefined; lease = lease.after) found.push(lease);
    return found;
  }

  /** How many permits are held here. */
  heldPermits(isCounted: (lease: Lease) => boolean = () => true): number {
    return this.leases().reduce((held, lease) => held + (isCounted(lease) ? permitsOf(lease.claim) : 0), 0);
  }

  /** Ends the subscription to release hints. */
  stopHints(): void {
    const { hints } = this;
    this.hints = undefined;
    this.hintsStand = false;
    hints?.abort();
  }

  /** The waiters behind the first that have been without an answer for too long, from the last on. */
  outOfPatience(settings: Settings, since: number, now: number): Acquisition[] {
    const found: Acquisition[] = [];
    for (let waiter = this.last; waiter !== undefined; waiter = waiter.before) {
      const sinceThen = Math.max(waiter.startedAt, since);
      if (waiter.phase === 'queued' && now >= waiter.unansweredUntil(settings, sinceThen)) found.push(waiter);
    }
    return found;
  }
}

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
  /** What it asks for. Made when it first asks, and anew after each refusal: an owner ID that was refused never asks again. */
  lease: Lease | undefined;
  /** Since when it has been asking without an answer. */
  unansweredSince: number | undefined;
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

  /** Called at `at`. */
  abstract fire(now: number): void;
  /** The first waiter of its key: asks the backend, if it is time. */
  abstract takeTurn(now: number): void;
  /** Nobody wants the answer any more: gives up what was requested, and what may still be granted. */
  abstract abandon(): void;
  /** The lock may be free. */
  abstract hint(now: number): void;
  /** A lock on the hold, for the caller. */
  abstract toLock(lease: Lease, hold: Hold): Lock;

  ownLease(): Lease {
    this.lease ??= new Lease(this.key, this.options);
    return this.lease;
  }

  /**
   * Until when to do without an answer: for `backendTimeoutMs`, but no longer than the caller would wait for a busy lock, and
   * for at least one attempt.
   */
  unansweredUntil(settings: Settings, since: number): number {
    const patientMs = this.once ? 0 : this.options.waitMs;
    const attemptMs = attemptTimeout(settings, this.options.ttlMs);
    return since + Math.min(settings.backendTimeoutMs, Math.max(patientMs, attemptMs));
  }

  /** Why the backend counts as silent, if it does. */
  silence(_now: number): unknown {
    return this.failure;
  }

  /** Tells those who observe it that the lock is busy. */
  tellWait(adapter: string): void {
    if (!channels.wait.hasSubscribers) return;
    const { key, number } = this;
    channels.wait.publish({ adapter, key, acquisition: number, owner: this.ownLease().owner });
  }

  resolve(lock: Lock | undefined): void {
    this.settle(lock);
  }

  /** Rejects with an error whose stack names the caller. */
  reject(error: unknown): void {
    this.settle(rejection(error));
  }
}

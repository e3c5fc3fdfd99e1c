import { channels } from './diagnostics.ts';
import type { Lease } from './lease.ts';
import type { AcquireOutcome, LockAdapter, ReleaseOutcome } from './lock-adapter.ts';
import { attemptTimeout, type Settings } from './options.ts';
import type { TimedEntry, TimerHeap } from './timer-heap.ts';

const firstBackoffMs = 50;
const longestBackoffMs = 2_000;
// A long lease is followed up for long: what arrives late costs others a small part of it.
const backoffsPerTtl = 16;
// During an outage each follow-up waits for its own time-out: more at once would only load the backend when it returns.
const mostAtOnce = 64;

/** A request that may have taken the lock, or may still take it, with nobody to hold it. */
class Orphan implements TimedEntry {
  readonly lease: Lease;
  /** Until when a command that was sent may still arrive, or may have left the lock behind. */
  giveUpAt = 0;
  backoffMs = firstBackoffMs;
  longestBackoffMs = longestBackoffMs;
  /** Counts the releases sent; an answer to any but the last comes too late to count. */
  sent = 0;
  asking = false;
  /** How many acquires had no answer when the last release was sent: those may arrive behind it. */
  unansweredAtSend = 0;
  at = 0;
  heapIndex = -1;
  readonly #onTime: (orphan: Orphan) => void;

  constructor(lease: Lease, onTime: (orphan: Orphan) => void) {
    this.lease = lease;
    this.#onTime = onTime;
  }

  /** Each acquire turned out to have been refused, or never to have been sent: nothing can be held. */
  get isEmpty(): boolean {
    return this.lease.unanswered === 0 && !this.lease.granted;
  }

  fire(): void {
    this.#onTime(this);
  }
}

/**
 * Cleans up after calls without an answer: it releases by owner ID until an answer of the backend covers every acquire that
 * was sent under that ID, or until none of them can arrive or hold the lock any longer. A grant that is reported even later is
 * cleaned up again. No orphan stays behind (H11, H12, H27, H64, H80, H125).
 */
export class OrphanCleanup {
  readonly #adapter: LockAdapter;
  readonly #settings: Settings;
  readonly #timers: TimerHeap;
  readonly #now: () => number;
  readonly #open = new Set<Orphan | Promise<void>>();
  readonly #orphans = new Map<Lease, Orphan>();
  readonly #later = new Map<Lease, TimedEntry>();
  #onDrained: (() => void)[] = [];
  #inFlight = 0;
  #closed = false;

  constructor(adapter: LockAdapter, settings: Settings, timers: TimerHeap) {
    this.#adapter = adapter;
    this.#settings = settings;
    this.#timers = timers;
    this.#now = settings.clock.now;
  }

  /** Does the same at that time, or sooner with `add`: until then the backend is to keep what it has. */
  addLater(lease: Lease, at: number): void {
    lease.abandoned = true;
    if (this.#closed) return;
    const entry: TimedEntry = { at: 0, heapIndex: -1, fire: () => this.add(lease) };
    this.#later.set(lease, entry);
    this.#timers.set(entry, at);
  }

  /** Does at once what was to be done later. */
  hurry(): void {
    for (const lease of [...this.#later.keys()]) this.add(lease);
  }

  /** Frees what the requests under this owner ID may have taken, or may still take. */
  add(lease: Lease): void {
    lease.abandoned = true;
    if (this.#closed) return;
    const later = this.#later.get(lease);
    if (later !== undefined) {
      this.#later.delete(lease);
      this.#timers.clear(later);
    }
    let orphan = this.#orphans.get(lease);
    if (orphan === undefined) {
      orphan = new Orphan(lease, this.#onTime);
      this.#open.add(orphan);
      this.#orphans.set(lease, orphan);
      this.#tell(lease, 'begun');
    }
    const longestTtlMs = Math.max(lease.ttlMs, lease.renewMs, lease.sentMs);
    orphan.giveUpAt = this.#now() + longestArrivalMs(this.#settings, longestTtlMs + lease.graceMs);
    orphan.longestBackoffMs = Math.max(longestBackoffMs, longestTtlMs / backoffsPerTtl);
    this.#ask(orphan);
  }

  /** An acquire that nobody wants any more was answered: a grant is released, a refusal may leave nothing to clean up. */
  answeredLate(lease: Lease, { status }: AcquireOutcome): void {
    if (this.#later.has(lease)) return;
    if (status === 'granted') this.add(lease);
    else this.#endIfEmpty(lease);
  }

  /** Counts an acquire that was refused, or never sent. */
  acquireRefused(lease: Lease): void {
    lease.unanswered -= 1;
    if (lease.abandoned) this.#endIfEmpty(lease);
  }

  /** A release on its way is waited for. */
  #endIfEmpty(lease: Lease): void {
    const orphan = this.#orphans.get(lease);
    if (orphan?.isEmpty && !orphan.asking) this.#end(orphan, 'not-held');
  }

  /** Counts a clean-up that somebody else does, and that does not reject. */
  await(cleaning: Promise<void>): void {
    this.#open.add(cleaning);
    void cleaning.then(() => this.#done(cleaning));
  }

  /** Resolves when nothing is left to clean up. */
  async drained(): Promise<void> {
    if (this.#open.size === 0) return;
    await new Promise<void>((resolve) => this.#onDrained.push(resolve));
  }

  /** Gives up on the rest. */
  close(): void {
    this.#closed = true;
    for (const orphan of [...this.#orphans.values()]) this.#end(orphan, 'given-up');
  }

  readonly #onTime = (orphan: Orphan): void => {
    if (orphan.asking || this.#inFlight >= mostAtOnce) this.#retryLater(orphan);
    else this.#ask(orphan);
  };

  #ask(orphan: Orphan): void {
    const { lease } = orphan;
    if (!orphan.asking) this.#inFlight += 1;
    orphan.asking = true;
    orphan.sent += 1;
    orphan.unansweredAtSend = lease.unanswered;
    const { sent } = orphan;
    this.#timers.set(orphan, this.#now() + attemptTimeout(this.#settings, lease.ttlMs));
    const isCurrent = (): boolean => orphan.asking && sent === orphan.sent && this.#open.has(orphan);
    this.#release(lease).then(
      (outcome) => {
        if (!isCurrent()) return;
        if (outcome === 'released' || outcome === 'not-held') this.#answered(orphan, outcome);
        else this.#retryLater(orphan);
      },
      () => {
        // A refusal says nothing about the lock: it is followed up like silence, until the lease must be over.
        if (isCurrent()) this.#retryLater(orphan);
      },
    );
  }

  // An adapter that throws instead of rejecting must not break the timers.
  async #release({ key, owner, claim }: Lease): Promise<ReleaseOutcome> {
    return this.#adapter.release({ key, owner, claim });
  }

  #answered(orphan: Orphan, outcome: ReleaseOutcome): void {
    orphan.asking = false;
    this.#inFlight -= 1;
    const { lease, unansweredAtSend } = orphan;
    // `released` covers the one acquire without an answer, unless it freed what an answered one, or a place in a queue, had been granted.
    const isOfAnother = lease.granted || lease.queued;
    const covered = unansweredAtSend === 0 || (outcome === 'released' && unansweredAtSend === 1 && !isOfAnother);
    if (covered || orphan.isEmpty || this.#now() >= orphan.giveUpAt) return this.#end(orphan, outcome);
    this.#backOff(orphan);
  }

  #retryLater(orphan: Orphan): void {
    if (orphan.asking) this.#inFlight -= 1;
    orphan.asking = false;
    if (orphan.isEmpty) return this.#end(orphan, 'not-held');
    if (this.#now() >= orphan.giveUpAt) return this.#end(orphan, 'given-up');
    this.#backOff(orphan);
  }

  #backOff(orphan: Orphan): void {
    this.#timers.set(orphan, Math.min(this.#now() + orphan.backoffMs, orphan.giveUpAt));
    orphan.backoffMs = Math.min(orphan.backoffMs * 2, orphan.longestBackoffMs);
  }

  #end(orphan: Orphan, outcome: string): void {
    this.#timers.clear(orphan);
    this.#orphans.delete(orphan.lease);
    this.#tell(orphan.lease, outcome);
    this.#done(orphan);
  }

  #done(item: Orphan | Promise<void>): void {
    this.#open.delete(item);
    if (this.#open.size > 0) return;
    for (const resolve of this.#onDrained) resolve();
    this.#onDrained = [];
  }

  #tell({ key, owner }: Lease, outcome: string): void {
    if (channels.reap.hasSubscribers) channels.reap.publish({ adapter: this.#adapter.name, key, owner, outcome });
  }
}

/** How long after it was sent a command about a lease of `ttlMs` may still arrive, or its effect may last. */
export function longestArrivalMs(settings: Settings, ttlMs: number): number {
  return ttlMs + settings.backendTimeoutMs;
}

import { channels } from './diagnostics.ts';
import type { AcquireRequest } from './hold.ts';
import type { LockAdapter, ReleaseOutcome } from './lock-adapter.ts';
import { attemptTimeout, longestArrivalMs, type Settings } from './options.ts';
import type { TimedEntry, TimerHeap } from './timer-heap.ts';

const firstBackoffMs = 50;
const longestBackoffMs = 2_000;
// During an outage each follow-up waits for its own time-out: more at once would only load the backend when it returns.
const mostAtOnce = 64;

/** Frees what a call without an answer may have taken, or may still take. */
export interface OrphanCleanup {
  add(request: AcquireRequest): void;
  /** Counts a clean-up that somebody else does, and that does not reject. */
  await(cleaning: Promise<void>): void;
  /** Resolves when nothing is left to clean up. */
  drained(): Promise<void>;
  /** Gives up on the rest. */
  close(): void;
}

/** A request that may have taken the lock, or may still take it, with nobody to hold it. */
class Orphan implements TimedEntry {
  readonly request: AcquireRequest;
  /** Until when a command that was sent may still arrive, or may have left the lock behind. */
  giveUpAt = 0;
  backoffMs = firstBackoffMs;
  /** Counts the releases sent; an answer to any but the last comes too late to count. */
  sent = 0;
  asking = false;
  /** How many acquires had no answer when the last release was sent: those may arrive behind it. */
  unansweredAtSend = 0;
  at = 0;
  heapIndex = -1;
  readonly #onTime: (orphan: Orphan) => void;

  constructor(request: AcquireRequest, onTime: (orphan: Orphan) => void) {
    this.request = request;
    this.#onTime = onTime;
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
export function createOrphanCleanup(adapter: LockAdapter, settings: Settings, timers: TimerHeap): OrphanCleanup {
  const open = new Set<Orphan | Promise<void>>();
  const orphans = new Map<AcquireRequest, Orphan>();
  let onDrained: (() => void)[] = [];
  let inFlight = 0;
  let closed = false;
  const now = settings.clock.now;

  function end(orphan: Orphan, outcome: string): void {
    timers.clear(orphan);
    orphans.delete(orphan.request);
    tell(orphan.request, outcome);
    done(orphan);
  }

  function done(item: Orphan | Promise<void>): void {
    open.delete(item);
    if (open.size > 0) return;
    for (const resolve of onDrained) resolve();
    onDrained = [];
  }

  function tell(request: AcquireRequest, outcome: string): void {
    if (!channels.reap.hasSubscribers) return;
    channels.reap.publish({ adapter: adapter.name, key: request.key, owner: request.owner, outcome });
  }

  function retryLater(orphan: Orphan): void {
    if (orphan.asking) inFlight -= 1;
    orphan.asking = false;
    if (now() >= orphan.giveUpAt) return end(orphan, 'given-up');
    timers.set(orphan, now() + orphan.backoffMs);
    orphan.backoffMs = Math.min(orphan.backoffMs * 2, longestBackoffMs);
  }

  function answered(orphan: Orphan, outcome: ReleaseOutcome): void {
    orphan.asking = false;
    inFlight -= 1;
    const { request, unansweredAtSend } = orphan;
    // `released` covers the one acquire without an answer, unless it freed what an answered one had been granted.
    const covered = unansweredAtSend === 0 || (outcome === 'released' && unansweredAtSend === 1 && !request.granted);
    if (covered || now() >= orphan.giveUpAt) return end(orphan, outcome);
    timers.set(orphan, now() + attemptTimeout(settings, request.ttlMs));
  }

  function ask(orphan: Orphan): void {
    const { request } = orphan;
    if (!orphan.asking) inFlight += 1;
    orphan.asking = true;
    orphan.sent += 1;
    orphan.unansweredAtSend = request.unanswered;
    const { sent } = orphan;
    timers.set(orphan, now() + attemptTimeout(settings, request.ttlMs));
    const current = (): boolean => orphan.asking && sent === orphan.sent && open.has(orphan);
    release(request).then(
      (outcome) => {
        if (!current()) return;
        if (outcome === 'released' || outcome === 'not-held') answered(orphan, outcome);
        else retryLater(orphan);
      },
      () => {
        // A refusal says nothing about the lock: it is followed up like silence, until the lease must be over.
        if (current()) retryLater(orphan);
      },
    );
  }

  // An adapter that throws instead of rejecting must not break the timers.
  async function release({ key, owner }: AcquireRequest): Promise<ReleaseOutcome> {
    return adapter.release({ key, owner });
  }

  function onTime(orphan: Orphan): void {
    if (orphan.asking) retryLater(orphan);
    else if (inFlight >= mostAtOnce) retryLater(orphan);
    else ask(orphan);
  }

  function add(request: AcquireRequest): void {
    request.abandoned = true;
    if (closed) return;
    let orphan = orphans.get(request);
    if (orphan === undefined) {
      orphan = new Orphan(request, onTime);
      open.add(orphan);
      orphans.set(request, orphan);
      tell(request, 'begun');
    }
    const { hold } = request;
    const longestTtlMs = Math.max(request.ttlMs, hold?.ttlMs ?? 0, hold?.sentTtlMs ?? 0);
    orphan.giveUpAt = now() + longestArrivalMs(settings, longestTtlMs);
    ask(orphan);
  }

  return {
    add,
    await(cleaning) {
      open.add(cleaning);
      void cleaning.then(() => done(cleaning));
    },
    async drained() {
      if (open.size === 0) return;
      await new Promise<void>((resolve) => onDrained.push(resolve));
    },
    close() {
      closed = true;
      for (const orphan of [...orphans.values()]) end(orphan, 'given-up');
    },
  };
}

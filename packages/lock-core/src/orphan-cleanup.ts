import type { Core, Reaper } from './context.ts';
import { channels } from './diagnostics.ts';
import { isLockError } from './errors.ts';
import { attemptTimeout } from './options.ts';
import type { AcquireRequest } from './request.ts';
import type { TimedEntry } from './timer-heap.ts';

const firstBackoffMs = 50;
const longestBackoffMs = 2_000;

/** One request that may have taken the lock, or may still take it, with nobody to hold it. */
interface Case extends TimedEntry {
  readonly request: AcquireRequest;
  readonly giveUpAt: number;
  backoffMs: number;
  /** Counts the releases sent; an answer to any but the last comes too late to count. */
  sent: number;
  asking: boolean;
  /** How many acquires had no answer when the last release was sent: those may come in behind it. */
  openAtSend: number;
  /** Since when the backend has said `not-held`. */
  notHeldAt: number | undefined;
}

/**
 * Cleans up after calls without an answer: releases by owner, with backoff, until the backend answers `released`, or
 * `not-held` twice an attempt time-out apart (a late acquire may arrive after the first), or until no command that was
 * sent can hold the lock any longer. A grant that is told even later is cleaned up again. No orphan stays behind (H11, H12,
 * H27, H64, H80).
 */
export function createReaper(core: Core): Reaper {
  const open = new Set<Case | Promise<void>>();
  let onDrained: (() => void)[] = [];
  const cases = new Map<AcquireRequest, Case>();
  let over = false;
  const { adapter, timers, settings } = core;
  const now = settings.clock.now;

  function close(item: Case, outcome: string): void {
    timers.clear(item);
    cases.delete(item.request);
    tell(item.request, outcome);
    done(item);
  }

  function done(item: Case | Promise<void>): void {
    open.delete(item);
    if (open.size > 0) return;
    for (const resolve of onDrained) resolve();
    onDrained = [];
  }

  function tell(request: AcquireRequest, outcome: string): void {
    if (!channels.reap.hasSubscribers) return;
    channels.reap.publish({ adapter: adapter.name, key: request.key, owner: request.owner, outcome });
  }

  function retryLater(item: Case): void {
    item.asking = false;
    if (now() >= item.giveUpAt) return close(item, 'given-up');
    timers.set(item, now() + item.backoffMs);
    item.backoffMs = Math.min(item.backoffMs * 2, longestBackoffMs);
  }

  function answered(item: Case, outcome: 'released' | 'not-held'): void {
    item.asking = false;
    const timeoutMs = attemptTimeout(settings, item.request.ttlMs);
    // The one acquire without an answer was what has just been released; or there was none.
    if (outcome === 'released' ? item.openAtSend <= 1 : item.openAtSend === 0) return close(item, outcome);
    // Another one may still come in behind this release: look once more.
    if (outcome === 'released') item.notHeldAt = undefined;
    else if (item.notHeldAt !== undefined && now() - item.notHeldAt >= timeoutMs) return close(item, outcome);
    else item.notHeldAt ??= now();
    timers.set(item, now() + timeoutMs);
  }

  function ask(item: Case): void {
    item.asking = true;
    item.sent += 1;
    item.openAtSend = item.request.unanswered;
    const round = item.sent;
    timers.set(item, now() + attemptTimeout(settings, item.request.ttlMs));
    release(item.request).then(
      (outcome) => {
        if (open.has(item) && round === item.sent) answered(item, outcome);
      },
      (error: unknown) => {
        if (!open.has(item) || round !== item.sent) return;
        // A definite refusal will be the same the next time.
        if (isLockError(error) && !error.retryable) close(item, 'given-up');
        else retryLater(item);
      },
    );
  }

  // An adapter that throws instead of rejecting must not break the timers.
  async function release(request: AcquireRequest): Promise<'released' | 'not-held'> {
    return adapter.release({ key: request.key, owner: request.owner });
  }

  function add(request: AcquireRequest): void {
    if (over) return;
    request.reaped = true;
    const known = cases.get(request);
    if (known !== undefined) {
      // What was found so far was before this; what is on its way may be too.
      known.notHeldAt = undefined;
      return ask(known);
    }
    const item: Case = {
      request,
      giveUpAt: Math.max(request.sentAt, now()) + request.ttlMs + settings.backendTimeoutMs,
      backoffMs: firstBackoffMs,
      sent: 0,
      asking: false,
      openAtSend: 0,
      notHeldAt: undefined,
      at: 0,
      heapIndex: -1,
      fire: () => (item.asking ? retryLater(item) : ask(item)),
    };
    open.add(item);
    cases.set(request, item);
    tell(request, 'begun');
    ask(item);
  }

  return {
    add,
    acquireAnswered(request, outcome) {
      request.unanswered -= 1;
      if (request.reaped && outcome.status === 'granted') add(request);
    },
    await(cleaning) {
      open.add(cleaning);
      void cleaning.then(() => done(cleaning));
    },
    async drained() {
      if (open.size === 0) return;
      await new Promise<void>((resolve) => onDrained.push(resolve));
    },
    close() {
      over = true;
      for (const item of open) if ('request' in item) close(item, 'given-up');
    },
  };
}

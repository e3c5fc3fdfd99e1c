import { randomInt } from 'node:crypto';
import { isRefusal } from './adapter-replies.ts';
import type { Context } from './context.ts';
import { closed, nameCaller, noAnswer, unreachable } from './errors.ts';
import type { AcquireAttempt, AcquireOutcome, LockAdapter } from './lock-adapter.ts';
import { attemptTimeout } from './options.ts';
import type { TimedEntry, TimerHeap } from './timer-heap.ts';

const firstRetryMs = 20;
const slowestRetryMs = 1_000;

// While hints come in, polling only covers the lost ones (H38).
const slowPollMs = 1_000;
const fastestPollMs = 10;
const slowestPollMs = 250;
// However soon the backend says that it is worth asking again.
const soonestPollMs = 20;

/** Up to a fifth more, so that processes that started together do not stay in step. */
const spread = (ms: number): number => ms + (ms * randomInt(1_000)) / 5_000;

/** How long to wait after the n-th failure in a row. */
export function retryDelayMs(failures: number): number {
  return spread(Math.min(firstRetryMs * 2 ** Math.min(failures - 1, 10), slowestRetryMs));
}

/**
 * How long to sleep before a busy lock is asked for again without a hint. A backend that says each time that it is worth asking
 * soon, and is busy all the same, is asked no more often than one that says nothing.
 */
export function pollDelayMs(
  round: number,
  hintsStand: boolean,
  retryAfterMs: number | undefined,
  earlyAttempts: number,
): number {
  const fastMs = Math.min(fastestPollMs * 2 ** Math.min(round, 10), slowestPollMs);
  const fallbackMs = spread(hintsStand ? slowPollMs : fastMs);
  if (retryAfterMs === undefined) return fallbackMs;
  const soonestMs = Math.min(soonestPollMs * 2 ** Math.min(earlyAttempts, 10), slowestPollMs);
  return Math.min(fallbackMs, Math.max(retryAfterMs + 1, soonestMs));
}

/** Whether the backend names a time so short that an attempt then would be little more than a repetition. */
export const isTooSoon = (retryAfterMs: number | undefined): boolean =>
  retryAfterMs !== undefined && retryAfterMs < soonestPollMs;

/** Calls the adapter; one that throws, or that answers with a thenable, is treated as one that returns a promise. */
export function callAdapter<T>(call: () => PromiseLike<T> | T): Promise<T> {
  try {
    return Promise.resolve(call());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The same for an acquire, without a function made for each. */
export function requestLock(adapter: LockAdapter, attempt: AcquireAttempt): Promise<AcquireOutcome> {
  try {
    return Promise.resolve(adapter.tryAcquire(attempt));
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Calls the adapter and waits for the answer no longer than `withinMs`; then the call counts as unknown and rejects. A later
 * answer goes to `late`.
 */
export function callWithTimeout<T>(
  timers: TimerHeap,
  now: number,
  withinMs: number,
  call: () => Promise<T>,
  late?: (answer: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const limit = new TimeLimit(reject, withinMs);
    timers.set(limit, now + withinMs);
    callAdapter(call).then(
      (answer) => (limit.endsIn(timers) ? resolve(answer) : late?.(answer)),
      (error: unknown) => {
        if (limit.endsIn(timers)) reject(error);
      },
    );
  });
}

/** The time for an answer. A class, since objects with functions of their own would be a tenth of what a release allocates. */
class TimeLimit implements TimedEntry {
  at = 0;
  heapIndex = -1;
  private isOver = false;
  private readonly reject: (error: unknown) => void;
  private readonly withinMs: number;

  constructor(reject: (error: unknown) => void, withinMs: number) {
    this.reject = reject;
    this.withinMs = withinMs;
  }

  /** Counts an answer; false for one that is too late. */
  endsIn(timers: TimerHeap): boolean {
    timers.clear(this);
    const inTime = !this.isOver;
    this.isOver = true;
    return inTime;
  }

  fire(): void {
    this.isOver = true;
    this.reject(noAnswer(this.withinMs));
  }
}

/** Repeats an idempotent call until it is answered, or fails with LOCK_BACKEND after `backendTimeoutMs`. */
export function retryUntilAnswered<T>(context: Context, key: string | undefined, call: () => Promise<T>): Promise<T> {
  return context.keepalive.during(() => retry(context, key, call));
}

async function retry<T>(context: Context, key: string | undefined, call: () => Promise<T>): Promise<T> {
  const { adapter, timers, settings } = context;
  const { clock, backendTimeoutMs } = settings;
  const startedAt = clock.now();
  for (let failures = 1; ; failures += 1) {
    if (context.closed) throw closed(key);
    try {
      return await callWithTimeout(timers, clock.now(), attemptTimeout(settings, settings.defaults.ttlMs), call);
    } catch (error) {
      if (isRefusal(error)) throw nameCaller(error);
      const forMs = clock.now() - startedAt;
      if (forMs >= backendTimeoutMs) throw unreachable(key, adapter.name, forMs, error);
      await pause(context, Math.min(retryDelayMs(failures), backendTimeoutMs - forMs));
    }
  }
}

/** Lets some time pass; none when the locks are closed, since nothing is waited for then. */
export function pause(context: Context, forMs: number): Promise<void> {
  if (context.closed) return Promise.resolve();
  return new Promise((resolve) => {
    context.timers.set({ at: 0, heapIndex: -1, fire: () => resolve() }, context.settings.clock.now() + forMs);
  });
}

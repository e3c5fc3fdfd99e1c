import { randomInt } from 'node:crypto';
import type { KeyState } from './key-state.ts';

// With hints coming in, polling only covers the lost ones (H38).
const slowPollMs = 1_000;
const fastestPollMs = 10;
const slowestPollMs = 250;

const firstRetryMs = 20;
const slowestRetryMs = 1_000;

/** Up to a fifth more, so that processes that began together do not stay in step. */
const spread = (ms: number): number => ms + (ms * randomInt(1_000)) / 5_000;

/** How long to sleep before a busy lock is looked at again without a hint. */
export function pollMs(keyState: KeyState, round: number, retryAfterMs: number | undefined): number {
  const fastMs = Math.min(fastestPollMs * 2 ** Math.min(round, 10), slowestPollMs);
  const fallbackMs = keyState.watching ? slowPollMs : fastMs;
  const soonest = retryAfterMs === undefined || retryAfterMs < 0 ? Number.POSITIVE_INFINITY : retryAfterMs + 1;
  return Math.min(spread(fallbackMs), soonest);
}

/** How long to wait after the n-th call in a row without an answer. */
export function retryMs(failures: number): number {
  return spread(Math.min(firstRetryMs * 2 ** Math.min(failures - 1, 10), slowestRetryMs));
}

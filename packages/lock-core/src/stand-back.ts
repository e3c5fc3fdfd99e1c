import type { Core } from './context.ts';
import { KeyState } from './key-state.ts';

// Time for another process to hear of the release and to ask; timers do no finer.
const leastTurnMs = 1;

/**
 * The end of a run, with so many other processes waiting: each gets its turn before this one asks again. Nobody keeps that
 * order for them (their hints come at the same moment, and the quickest would win again and again), so every process counts
 * the releases that it hears, and lets as many pass as others were waiting. Its own is the first.
 */
export function standBack(keyState: KeyState, others: number, now: number): void {
  keyState.turnsAhead = others + 1;
  giveTime(keyState, now);
}

/**
 * The same after a release while nobody here waits and others do: whoever asks next stands back. A task that takes the key
 * again at once would win each time, since the others hear of the release no sooner than it does.
 */
export function standBackAfterRelease(core: Core, key: string, others: number, sentAt: number): void {
  if (core.closed) return;
  const now = core.settings.clock.now();
  const keyState = core.keys.get(key) ?? new KeyState(key);
  if (keyState.hold !== undefined || keyState.first !== undefined) return;
  keyState.roundTripMs = now - sentAt;
  standBack(keyState, others, now);
  core.keys.set(key, keyState);
  const forget = (at: number): void => {
    if (core.keys.get(key) === keyState) core.advance(keyState, at);
  };
  core.timers.set({ at: 0, heapIndex: -1, fire: forget }, keyState.yieldUntil);
}

/** A release was heard: one turn less to wait for. */
export function turnPassed(keyState: KeyState, now: number): void {
  if (keyState.turnsAhead === 0) return;
  keyState.turnsAhead -= 1;
  giveTime(keyState, now);
}

/** It has the lock, or there is nobody to wait for. */
export function standForward(keyState: KeyState): void {
  keyState.turnsAhead = 0;
  keyState.yieldUntil = Number.NEGATIVE_INFINITY;
}

/** Those ahead may be gone, and then nothing is heard; the fewer there are, the sooner this one tries. */
function giveTime(keyState: KeyState, now: number): void {
  if (keyState.turnsAhead === 0) keyState.yieldUntil = Number.NEGATIVE_INFINITY;
  else keyState.yieldUntil = now + keyState.turnsAhead * Math.max(leastTurnMs, 2 * keyState.roundTripMs);
}

import type { Core } from './context.ts';
import { Slot } from './key-state.ts';

// Time for another process to hear of the release and to ask; timers do no finer.
const leastTurnMs = 1;

/**
 * The end of a run, with so many other processes waiting: each gets its turn before this one asks again. Nobody keeps that
 * order for them (their hints come at the same moment, and the quickest would win again and again), so every process counts
 * the releases that it hears, and lets as many pass as others were waiting. Its own is the first.
 */
export function standBack(slot: Slot, others: number, now: number): void {
  slot.turnsAhead = others + 1;
  giveTime(slot, now);
}

/**
 * The same after a release while nobody here waits and others do: whoever asks next stands back. A task that takes the key
 * again at once would win each time, since the others hear of the release no sooner than it does.
 */
export function standBackAfterRelease(core: Core, key: string, others: number, sentAt: number): void {
  if (core.closed) return;
  const now = core.settings.clock.now();
  const slot = core.slots.get(key) ?? new Slot(key);
  if (slot.hold !== undefined || slot.first !== undefined) return;
  slot.roundTripMs = now - sentAt;
  standBack(slot, others, now);
  core.slots.set(key, slot);
  const forget = (at: number): void => {
    if (core.slots.get(key) === slot) core.advance(slot, at);
  };
  core.scheduler.set({ at: 0, heapIndex: -1, fire: forget }, slot.yieldUntil);
}

/** A release was heard: one turn less to wait for. */
export function turnPassed(slot: Slot, now: number): void {
  if (slot.turnsAhead === 0) return;
  slot.turnsAhead -= 1;
  giveTime(slot, now);
}

/** It has the lock, or there is nobody to wait for. */
export function standForward(slot: Slot): void {
  slot.turnsAhead = 0;
  slot.yieldUntil = Number.NEGATIVE_INFINITY;
}

/** Those ahead may be gone, and then nothing is heard; the fewer there are, the sooner this one tries. */
function giveTime(slot: Slot, now: number): void {
  if (slot.turnsAhead === 0) slot.yieldUntil = Number.NEGATIVE_INFINITY;
  else slot.yieldUntil = now + slot.turnsAhead * Math.max(leastTurnMs, 2 * slot.roundTripMs);
}

import { bounded } from './bounded.ts';
import type { Core } from './core.ts';
import { closed, lost } from './failures.ts';
import { attemptTimeout } from './settings.ts';
import type { Slot } from './slot.ts';
import type { Waiter } from './waiter.ts';

/**
 * Fails the waiting, gives back what is held, waits for the clean-up as long as an answer may take, and closes what the
 * adapter opened. Never rejects, and ends in bounded time when the backend is down.
 */
export async function closeLocks(core: Core): Promise<void> {
  const { adapter, scheduler, settings } = core;
  core.closed = true;
  const leaving: [Slot, Waiter][] = [];
  for (const slot of core.slots.values()) {
    for (let waiter = slot.first; waiter !== undefined; waiter = waiter.after) leaving.push([slot, waiter]);
  }
  for (const waiter of core.visitors) {
    const slot = core.slots.get(waiter.key);
    if (slot !== undefined) leaving.push([slot, waiter]);
  }
  for (const [slot, waiter] of leaving) {
    core.leave(slot, waiter, settings.clock.now());
    waiter.reject(closed(waiter.key));
  }
  for (const slot of [...core.slots.values()]) {
    if (slot.hold === undefined) continue;
    core.lose(slot.hold, lost(slot.key, adapter.name, 'these locks were closed'), 'may have it');
  }
  // Until the releases have gone out the process is not to end, though nothing else keeps it alive.
  const alive = setInterval(() => {}, 2 ** 30);
  const patienceMs = 2 * attemptTimeout(settings, settings.defaults.ttlMs);
  const within = (call: () => Promise<void>): Promise<void> =>
    bounded(scheduler, settings.clock.now(), patienceMs, call).catch(() => {});
  await within(() => core.reaper.drained());
  core.reaper.close();
  await within(async () => adapter.close?.());
  scheduler.close();
  clearInterval(alive);
}

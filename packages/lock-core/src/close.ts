import { bounded } from './backend-call.ts';
import type { Core } from './context.ts';
import { closed, lost } from './failures.ts';
import { attemptTimeout } from './options.ts';
import { waitersOf } from './process-keepalive.ts';

/**
 * Fails the waiting, gives back what is held, waits for the clean-up as long as an answer may take, and closes what the
 * adapter opened. Never rejects, and ends in bounded time when the backend is down.
 */
export async function closeLocks(core: Core): Promise<void> {
  const { adapter, timers, settings } = core;
  core.closed = true;
  for (const [keyState, waiter] of [...waitersOf(core)]) {
    core.leave(keyState, waiter, settings.clock.now());
    waiter.reject(closed(waiter.key));
  }
  core.keepAlive.close();
  for (const keyState of [...core.keys.values()]) {
    if (keyState.hold === undefined) continue;
    core.lose(keyState.hold, lost(keyState.key, adapter.name, 'these locks were closed'), 'may have it');
  }
  // Until the releases have gone out the process is not to end, though nothing else keeps it alive.
  const alive = setInterval(() => {}, 2 ** 30);
  const patienceMs = 2 * attemptTimeout(settings, settings.defaults.ttlMs);
  const within = (call: () => Promise<void>): Promise<void> =>
    bounded(timers, settings.clock.now(), patienceMs, call).catch(() => {});
  await within(() => core.reaper.drained());
  core.reaper.close();
  await within(async () => adapter.close?.());
  timers.close();
  clearInterval(alive);
}

import { bounded } from './backend-call.ts';
import type { Core } from './context.ts';
import { isLockError } from './errors.ts';
import { closed, unreachable } from './failures.ts';
import { attemptTimeout } from './options.ts';
import { retryMs } from './waits.ts';

/** Repeats a call that may be repeated until it is answered, or fails with LOCK_BACKEND after `backendTimeoutMs`. */
export function insist<T>(core: Core, key: string | undefined, call: () => Promise<T>): Promise<T> {
  return core.keepAlive.during(() => ask(core, key, call));
}

async function ask<T>(core: Core, key: string | undefined, call: () => Promise<T>): Promise<T> {
  const { adapter, timers, settings } = core;
  const { clock, backendTimeoutMs } = settings;
  const begin = clock.now();
  for (let failures = 1; ; failures += 1) {
    if (core.closed) throw closed(key);
    try {
      return await bounded(timers, clock.now(), attemptTimeout(settings, settings.defaults.ttlMs), call);
    } catch (error) {
      if (isLockError(error) && !error.retryable) throw error;
      const forMs = clock.now() - begin;
      if (forMs >= backendTimeoutMs) throw unreachable(key, adapter.name, forMs, error);
      await pause(core, Math.min(retryMs(failures), backendTimeoutMs - forMs));
    }
  }
}

/** Lets some time pass; none when the locks are closed, since nothing is waited for then. */
export function pause(core: Core, forMs: number): Promise<void> {
  if (core.closed) return Promise.resolve();
  const { clock } = core.settings;
  return new Promise((resolve) => {
    core.timers.set({ at: 0, heapIndex: -1, fire: () => resolve() }, clock.now() + forMs);
  });
}

import type { Acquirer, Body } from './acquire.ts';
import type { Semaphore, SemaphoreOptions } from './api.ts';
import type { Context } from './context.ts';
import { unsupported } from './errors.ts';
import { inspectLock } from './inspect.ts';
import { checkKey, checkLimit, optionsAndBody } from './options.ts';

/** Permits of one key: the same acquires as those of a lock, with another claim. */
export function openSemaphore(context: Context, acquirer: Acquirer, key: string, limit: number): Semaphore {
  checkKey(key);
  checkLimit(limit, key);
  const { name, capabilities } = context.adapter;
  if (!capabilities.permits) throw unsupported(name, 'semaphores');
  return {
    key,
    limit,
    acquire: (options) => acquirer.acquire(key, options, limit),
    tryAcquire: (options) => acquirer.tryAcquire(key, options, limit),
    async using<T>(...given: [SemaphoreOptions | Body<T>, Body<T>?]): Promise<T> {
      const [options, body] = optionsAndBody<SemaphoreOptions, Body<T>>('using', given, '');
      return acquirer.using(key, options, body, limit);
    },
    inspect: () => inspectLock(context, key),
  };
}

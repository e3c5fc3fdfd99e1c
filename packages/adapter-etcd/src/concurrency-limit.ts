import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
/** Runs at most so many tasks at a time. */
export type ConcurrencyLimit = <T>(run: () => Promise<T>) => Promise<T>;

/**
 * On a slow machine, thousands of simultaneous requests would all miss their deadline and then be repeated. If no task has
 * succeeded for `timeoutMs`, all waiting tasks fail.
 */
export function createConcurrencyLimit(width: number, timeoutMs: number, onTimeout: () => Error): ConcurrencyLimit {
  const queue = new Set<() => void>();
  let running = 0;
  let movedAt = Number.NEGATIVE_INFINITY;

  return async (run) => {
    if (running < width) running += 1;
    else await turn();
    try {
      const result = await run();
      movedAt = performance.now();
      return result;
    } finally {
      const [next] = queue;
      if (next === undefined) running -= 1;
      else next();
    }
  };

  function turn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const since = performance.now();
      const wait = (): NodeJS.Timeout => {
        const lateAt = Math.max(since, movedAt) + timeoutMs;
        return setTimeout(() => {
          if (performance.now() >= Math.max(since, movedAt) + timeoutMs) {
            queue.delete(start);
            reject(onTimeout());
          } else timer = wait();
        }, lateAt - performance.now());
      };
      const start = (): void => {
        queue.delete(start);
        clearTimeout(timer);
        resolve();
      };
      let timer = wait();
      queue.add(start);
    });
  }
}

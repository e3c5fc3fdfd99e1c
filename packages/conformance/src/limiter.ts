/** How many cases run side by side: they mostly wait, so the suite pays few TTLs. One that is fast keeps more of them supplied. */
export const CONCURRENCY = { usual: 24, fast: 32 };

/** Runs tasks in order, at most so many at a time. */
export function limiter(most: number): <T>(task: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = [];
  let running = 0;
  const next = () => {
    if (running >= most) return;
    const begin = queue.shift();
    if (begin) running++;
    begin?.();
  };
  const done = () => {
    running--;
    next();
  };
  return (task) =>
    new Promise((resolve, reject) => {
      queue.push(() => {
        const result = task();
        result.then(resolve, reject);
        result.then(done, done);
      });
      next();
    });
}

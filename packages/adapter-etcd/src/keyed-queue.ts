import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
/** Runs the tasks of the same name one after the other, in the order of the calls. */
export type KeyedQueue = <T>(name: string, run: () => Promise<T>) => Promise<T>;

interface Row {
  tail: Promise<void>;
  /** Monotonic ms of the last success in it. */
  movedAt: number;
}

/**
 * Requests that are sent together may overtake each other, and those for one lock queue must not. If no task has succeeded for
 * `timeoutMs`, all waiting tasks fail, so that they do not wait for one dead call after another.
 */
export function createKeyedQueue(timeoutMs: number, onTimeout: () => Error): KeyedQueue {
  const rows = new Map<string, Row>();

  return async (name, run) => {
    const ahead = rows.get(name);
    const row = ahead ?? { tail: Promise.resolve(), movedAt: performance.now() };
    rows.set(name, row);
    const task = ahead === undefined ? run() : turn(row).then(run);
    const tail = task.then(done, done);
    row.tail = tail;
    try {
      const result = await task;
      row.movedAt = performance.now();
      return result;
    } finally {
      if (row.tail === tail) rows.delete(name);
    }
  };

  function turn(row: Row): Promise<void> {
    return new Promise((resolve, reject) => {
      const wait = (): NodeJS.Timeout =>
        setTimeout(
          () => {
            if (performance.now() - row.movedAt >= timeoutMs) reject(onTimeout());
            else timer = wait();
          },
          row.movedAt + timeoutMs - performance.now(),
        );
      let timer = wait();
      void row.tail.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

const done = (): void => {};

/** Runs what belongs to one name one after the other, in the order of the calls. */
export type Line = <T>(name: string, run: () => Promise<T>) => Promise<T>;

/**
 * Requests that are sent together overtake each other on the way; those for one queue must not. A task fails if its turn
 * has not come within `patienceMs`, so an unanswered one does not delay all that stand behind it by as much each.
 */
export function createLine(patienceMs: number, late: () => Error): Line {
  const tails = new Map<string, Promise<void>>();

  return async (name, run) => {
    const before = tails.get(name);
    const task = before === undefined ? run() : turn(before).then(run);
    const tail = task.then(done, done);
    tails.set(name, tail);
    try {
      return await task;
    } finally {
      if (tails.get(name) === tail) tails.delete(name);
    }
  };

  function turn(before: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(late()), patienceMs);
      void before.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

const done = (): void => {};

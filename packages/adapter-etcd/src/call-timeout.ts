import { NoAnswer } from './errors.ts';

/** Waits for answers, for each no longer than for the others. */
export interface CallTimeout {
  /**
   * Rejects when there is no answer in time. A deadline of gRPC alone leaves a client hanging that waits for its password's
   * token, and fires before the answers are read that came while the process was stalled. The caller is told what `translate`
   * makes of the error.
   */
  within<T>(call: () => Promise<T>, translate: (error: unknown) => unknown): Promise<T>;
  /** Resolves when all have come, or were not in time. */
  allDone(): Promise<unknown>;
}

interface Awaited {
  readonly until: number;
  readonly end: Promise<unknown>;
  giveUp(): void;
}

/** One timer for all calls under way: a timer for each is a good part of what an occasional call costs. */
export function createCallTimeout(ms: number): CallTimeout {
  // The oldest first, and all have the same time.
  const underway = new Set<Awaited>();
  let armed = false;

  function arm({ until }: Awaited): void {
    armed = true;
    // What keeps the process alive is the socket on which a call is under way.
    setTimeout(look, until - performance.now()).unref();
  }

  function look(): void {
    armed = false;
    const now = performance.now();
    for (const awaited of underway) {
      if (awaited.until > now) return arm(awaited);
      setImmediate(awaited.giveUp);
    }
  }

  return {
    within<T>(call: () => Promise<T>, translate: (error: unknown) => unknown) {
      let giveUp = (): void => {};
      const end = new Promise<T>((resolve, reject) => {
        const leave = (): void => {
          underway.delete(awaited);
        };
        giveUp = () => {
          leave();
          reject(translate(new NoAnswer(ms)));
        };
        call().then(
          (result) => {
            leave();
            resolve(result);
          },
          (error) => {
            leave();
            reject(translate(error));
          },
        );
      });
      const awaited = { until: performance.now() + ms, end, giveUp };
      underway.add(awaited);
      if (!armed) arm(awaited);
      return end;
    },
    allDone: () => Promise.allSettled([...underway].map(({ end }) => end)),
  };
}

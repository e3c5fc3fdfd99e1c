import { performance } from 'node:perf_hooks';
import { setImmediate, setTimeout } from 'node:timers';
import { NoAnswer } from './errors.ts';

/** Gives every call the same time-out. */
export interface CallTimeout {
  /**
   * Rejects when there is no answer in time, with what `translate` makes of the error. A gRPC deadline is not enough: it does not
   * cover the wait for a token, and it fires before the answers are read that arrived while the process was stalled.
   */
  within<T>(call: () => Promise<T>, translate: (error: unknown) => unknown): Promise<T>;
  /** Resolves when every call has been answered or has timed out. */
  allDone(): Promise<unknown>;
}

interface Awaited {
  readonly until: number;
  readonly end: Promise<unknown>;
  giveUp(): void;
}

/** Uses one timer for all calls in flight: one for each would be a large part of the cost of an occasional call. */
export function createCallTimeout(ms: number): CallTimeout {
  // In the order of their deadlines, because all have the same time-out.
  const underway = new Set<Awaited>();
  let armed = false;

  function arm({ until }: Awaited): void {
    armed = true;
    // The socket of a call keeps the process alive.
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

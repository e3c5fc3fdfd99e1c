import { setTimeout as sleep } from 'node:timers/promises';
import type { Case } from './case.ts';
import { CONCURRENCY, limiter } from './limiter.ts';

/** A backend that answers within this, in ms, is not held up by the cases that ask for a lot. */
const fastMs = 0.2;
/** How many of those cases run side by side on any other: where a call takes so long, in ms, it is on its way, and keeps no server busy. */
const heavyAtOnce = (latencyMs: number): number => (latencyMs < 100 ? 2 : 8);

/** Decides when each case runs. */
export interface Turns {
  take<T>(testCase: Pick<Case, 'heavy' | 'long'>, run: () => Promise<T>): Promise<T>;
}

/**
 * `concurrency` cases run at a time. On a slow backend, a case that asks for a lot waits for the others, since it would cost them their
 * time, and takes the place of none of them meanwhile. Those that mostly wait for leases in between come first, twice as many at a time,
 * as soon as few others are left.
 */
export function createTurns(latencyMs: number, pollMs: number, concurrency?: number): Turns {
  const isFast = latencyMs < fastMs;
  const most = concurrency ?? (isFast ? CONCURRENCY.fast : CONCURRENCY.usual);
  const atOnce = heavyAtOnce(latencyMs);
  const inTurn = limiter(most);
  const [inLongLane, inLane] = [limiter(Math.min(most, 2 * atOnce)), limiter(Math.min(most, atOnce))];
  const few = Math.floor(most / 6);
  let [others, long] = [0, 0];

  async function once<T>(isTime: () => boolean, run: () => Promise<T>): Promise<T> {
    // Those that are asked for together come one after the other.
    do await sleep(pollMs);
    while (!isTime());
    return run();
  }

  return {
    take({ heavy, long: isLong }, run) {
      if (!heavy || isFast) {
        others++;
        return inTurn(run).finally(() => {
          others--;
        });
      }
      if (!isLong) return inLane(() => once(() => others + long === 0, run));
      long++;
      return inLongLane(() => once(() => others <= few, run)).finally(() => {
        long--;
      });
    },
  };
}

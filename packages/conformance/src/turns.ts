import { setTimeout as sleep } from 'node:timers/promises';
import { CONCURRENCY, limiter } from './limiter.ts';

/** A backend that answers within this, in ms, is not held up by the cases that ask for a lot. */
const fastMs = 0.2;
/** How many of those cases run side by side on any other: where a call takes so long, in ms, it is on its way, and keeps no server busy. */
const heavyAtOnce = (latencyMs: number): number => (latencyMs < 100 ? 2 : 8);

/** Decides when each case runs. */
export interface Turns {
  take<T>(isHeavy: boolean, run: () => Promise<T>): Promise<T>;
}

/**
 * `concurrency` cases run at a time. On a slow backend, a case that asks for a lot waits for the others, since it would cost them their
 * time, and takes the place of none of them meanwhile.
 */
export function createTurns(latencyMs: number, pollMs: number, concurrency: number = CONCURRENCY): Turns {
  const inTurn = limiter(concurrency);
  const inLane = limiter(Math.min(concurrency, heavyAtOnce(latencyMs)));
  let others = 0;

  async function runLast<T>(run: () => Promise<T>): Promise<T> {
    // Those that are asked for together come one after the other.
    do await sleep(pollMs);
    while (others > 0);
    return run();
  }

  return {
    take(isHeavy, run) {
      if (isHeavy && latencyMs >= fastMs) return inLane(() => runLast(run));
      others++;
      return inTurn(run).finally(() => {
        others--;
      });
    },
  };
}

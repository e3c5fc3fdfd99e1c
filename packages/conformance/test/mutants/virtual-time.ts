import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { type Clock, install } from '@sinonjs/fake-timers';
import { randomFrom } from '../support/random-history.ts';

/** What is faked: all that tells the time or waits for it. Turns of the event loop stay real, so promises settle as ever. */
const TIMES = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] as const;

let clock: Clock | undefined;

/** Fakes the time, for good. lock-core takes its timers when it is loaded, so this comes before. */
export function fakeTime(): Clock {
  clock ??= install({ toFake: [...TIMES], now: 1_800_000_000_000 });
  syncBuiltinESMExports();
  return clock;
}

const turn = globalThis.setImmediate;

/**
 * Runs work that waits for timers and promises alone, as fast as the machine can: whenever nothing is left to do but wait, the
 * clock jumps to the next timer. No timer is ever late and waits are spread from a seed, so the outcome is the same on the
 * slowest machine.
 */
export async function inVirtualTime<T>(work: () => Promise<T>): Promise<T> {
  const time = fakeTime();
  const { randomInt } = crypto;
  crypto.randomInt = randomFrom(1) as typeof randomInt;
  syncBuiltinESMExports();
  let over = false;
  const end = () => {
    over = true;
  };
  try {
    const result = work();
    result.then(end, end);
    for (;;) {
      await new Promise<void>((resolve) => turn(resolve));
      if (over) return await result;
      time.next();
    }
  } finally {
    crypto.randomInt = randomInt;
    syncBuiltinESMExports();
  }
}

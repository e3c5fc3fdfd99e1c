import { setTimeout as sleep } from 'node:timers/promises';
import { machineNow } from '../clock.ts';
import type { Contestant } from '../contestants/contestant.ts';

/** The turns of some waiters for one key, one entry each, times by the machine's clock. */
export interface TurnLog {
  readonly waiter: Uint16Array;
  readonly askedAt: Float64Array;
  readonly grantedAt: Float64Array;
  /** Just before it was given back. */
  readonly givenBackAt: Float64Array;
}

export interface TurnTask {
  readonly key: string;
  readonly waiters: number;
  /** The number of the first waiter, so that those of several processes differ. */
  readonly firstWaiter: number;
  readonly startAt: number;
  readonly endAt: number;
}

/** Lets waiters compete for a key, holding it for no time. Each takes one turn past the end, so nobody is left waiting. */
export async function measureTurns(contestant: Contestant, task: TurnTask): Promise<TurnLog> {
  const { key, waiters, firstWaiter, startAt, endAt } = task;
  if (contestant.waiter === undefined) throw new Error('This contestant cannot wait.');
  const log = new GrowingLog();
  const takes = await Promise.all(Array.from({ length: waiters }, (_, i) => contestant.waiter!(key, i)));
  await sleep(Math.max(0, startAt - machineNow()));
  await Promise.all(
    takes.map(async (take, index) => {
      let askedAt = machineNow();
      while (askedAt < endAt) {
        const giveBack = await take();
        const grantedAt = machineNow();
        log.add(firstWaiter + index, askedAt, grantedAt, machineNow());
        await giveBack();
        askedAt = machineNow();
      }
    }),
  );
  return log.done();
}

/** Typed arrays that double: a plain array of a million turns would bring the garbage collector into the measurement. */
class GrowingLog {
  private length = 0;
  private waiter = new Uint16Array(1 << 18);
  private times = [0, 1, 2].map(() => new Float64Array(1 << 18));

  add(waiter: number, askedAt: number, grantedAt: number, givenBackAt: number): void {
    if (this.length === this.waiter.length) this.grow();
    this.waiter[this.length] = waiter;
    this.times[0]![this.length] = askedAt;
    this.times[1]![this.length] = grantedAt;
    this.times[2]![this.length] = givenBackAt;
    this.length += 1;
  }

  private grow(): void {
    const { waiter, times } = this;
    this.waiter = new Uint16Array(waiter.length * 2);
    this.waiter.set(waiter);
    this.times = times.map((old) => {
      const grown = new Float64Array(old.length * 2);
      grown.set(old);
      return grown;
    });
  }

  done(): TurnLog {
    const [askedAt, grantedAt, givenBackAt] = this.times.map((times) => times.slice(0, this.length));
    return {
      waiter: this.waiter.slice(0, this.length),
      askedAt: askedAt!,
      grantedAt: grantedAt!,
      givenBackAt: givenBackAt!,
    };
  }
}

import { setTimeout as sleep } from 'node:timers/promises';
import { machineNow } from '../clock.ts';
import type { Mix, Subject } from '../subjects/subject.ts';

/** The turns of some waiters for one key, one entry each, times by the machine's clock. */
export interface TurnLog {
  readonly waiter: Float64Array;
  readonly askedAt: Float64Array;
  readonly grantedAt: Float64Array;
  /** Just before it was given back. */
  readonly givenBackAt: Float64Array;
  /** The fencing token, or NaN. */
  readonly token: Float64Array;
}

export interface TurnTask {
  readonly key: string;
  readonly waiters: number;
  /** The number of the first waiter, so that those of several processes differ. */
  readonly firstWaiter: number;
  /** How long each keeps the key. */
  readonly holdMs: number;
  /** What they ask for, where it is not the same for all. */
  readonly mix?: Mix | undefined;
  readonly startAt: number;
  readonly endAt: number;
}

/** Lets waiters compete for a key. Each takes one turn past the end, so nobody is left waiting. */
export async function measureTurns(subject: Subject, task: TurnTask): Promise<TurnLog> {
  const { key, waiters, firstWaiter, holdMs, mix, startAt, endAt } = task;
  if (subject.waiter === undefined) throw new Error('This subject cannot wait.');
  const { add, done } = growingLog();
  const takes = await Promise.all(Array.from({ length: waiters }, (_, i) => subject.waiter!(key, i, mix)));
  await sleep(Math.max(0, startAt - machineNow()));
  await Promise.all(
    takes.map(async (take, index) => {
      let askedAt = machineNow();
      while (askedAt < endAt) {
        const turn = await take();
        const grantedAt = machineNow();
        const token = turn.token === undefined ? Number.NaN : Number(turn.token);
        if (holdMs > 0) await sleep(holdMs);
        add(firstWaiter + index, askedAt, grantedAt, machineNow(), token);
        await turn.release();
        askedAt = machineNow();
      }
    }),
  );
  return done();
}

/** Typed arrays that double: a plain array of a million turns would bring the garbage collector into the measurement. */
function growingLog(): { add(...entry: number[]): void; done(): TurnLog } {
  let length = 0;
  let columns = Array.from({ length: 5 }, () => new Float64Array(1 << 17));
  return {
    add(...entry) {
      if (length === columns[0]!.length) {
        columns = columns.map((old) => {
          const grown = new Float64Array(old.length * 2);
          grown.set(old);
          return grown;
        });
      }
      for (let i = 0; i < columns.length; i += 1) columns[i]![length] = entry[i]!;
      length += 1;
    },
    done() {
      const [waiter, askedAt, grantedAt, givenBackAt, token] = columns.map((column) => column.slice(0, length));
      return {
        waiter: waiter!,
        askedAt: askedAt!,
        grantedAt: grantedAt!,
        givenBackAt: givenBackAt!,
        token: token!,
      };
    },
  };
}

import type { Locks } from '@holdfast/lock-core';
import type { Recorder } from '../history/recorder.ts';
import type { CallOther } from './channel.ts';
import type { Contest } from './messages.ts';

interface Contender {
  readonly locks: Locks;
  readonly recorder: Recorder;
  readonly contest: Contest;
  readonly call: CallOther;
}

/** Tasks of this process take turns under each key, and each adds one to a number that the suite keeps: read, then write. */
export async function contend({ locks, recorder, contest, call }: Contender): Promise<void> {
  const { keys, rounds, tasks, ttlMs } = contest;

  async function turn(key: string): Promise<void> {
    await locks.using(key, { ttlMs }, async (lock) => {
      const seen = (await call('read', key)) as number;
      const send = async () => (await call('write', key, seen + 1, lock.fencingToken)) as boolean;
      if (lock.fencingToken === undefined) await send();
      else await recorder.write(key, lock.fencingToken, send);
    });
  }

  await Promise.all(
    Array.from({ length: tasks }, async () => {
      for (let round = 0; round < rounds; round++) for (const key of keys) await turn(key);
    }),
  );
}

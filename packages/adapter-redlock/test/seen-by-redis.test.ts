import { ioredisAdapter } from '@holdfast/adapter-ioredis';
import { type AcquireOptions, createLocks, type Lock, type Locks } from '@holdfast/lock-core';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newName } from '../../redis-protocol/test/support/helpers.ts';
import { redlockOver } from './support/nodes.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();

/** `redis://a` and `redlock://a`, each with a name. */
async function both(fencing: boolean): Promise<{ redis: Locks; redlock: Locks }> {
  const [a] = rig.servers;
  const client = new Redis(a!.port, a!.host);
  const redis = createLocks(ioredisAdapter(client, { fencing }), { name: 'of-redis' });
  const redlock = createLocks(await redlockOver([a!], { fencing }), { name: 'of-redlock:7' });
  onTestFinished(async () => {
    await Promise.all([redis.close(), redlock.close()]);
    client.disconnect();
  });
  return { redis, redlock };
}

const modes: Record<string, (locks: Locks, key: string, options?: AcquireOptions) => Promise<Lock>> = {
  exclusive: (locks, key) => locks.acquire(key),
  shared: (locks, key) => locks.acquire(key, { mode: 'shared' }),
  permits: (locks, key) => locks.semaphore(key, 3).acquire({ permits: 2 }),
};

describe.each(Object.keys(modes))('H117: who has a lock that is %s', (mode) => {
  it.each([true, false])('is told by Redis of Redlock, and the other way, with fencing %s', async (fencing) => {
    const { redis, redlock } = await both(fencing);
    for (const [holding, looking, name] of [
      [redlock, redis, 'of-redlock:7'],
      [redis, redlock, 'of-redis'],
    ] as const) {
      const key = newName(mode);
      const lock = await modes[mode]!(holding, key);
      const seen = await looking.inspect(key);
      expect(seen).toMatchObject({ mode, holders: 1, holder: { name } });
      // Of what a single Redis holds exclusively, Redlock reads no more than the owner.
      const isToldToken = looking === redis || mode !== 'exclusive';
      expect(seen?.fencingToken).toBe(isToldToken ? lock.fencingToken : undefined);
      const listed = [];
      for await (const info of looking.list(key)) listed.push(info);
      expect(listed).toMatchObject([{ key, holder: { name } }]);
      // The owner is the one that a forced release has to name.
      expect(await looking.forceRelease(key)).toBe(true);
      expect(await holding.inspect(key)).toBeUndefined();
    }
  });
});

import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import type { RedisServer } from '@holdfast/testbed';
import { newName } from './helpers.ts';

const names = 1_000;
const atATime = 50;

/** Locks 1,000 names once, each by one client while another waits for it; gives what all of them begin with. Closes both. */
export async function useNamesOnce(one: LockAdapter, other: LockAdapter): Promise<string> {
  const [first, second] = [createLocks(one), createLocks(other)];
  const begin = newName('once');
  for (let i = 0; i < names; i += atATime) {
    await Promise.all(
      Array.from({ length: atATime }, async (_, n) => {
        const lock = await first.acquire(`${begin}-${i + n}`);
        const next = second.acquire(`${begin}-${i + n}`);
        await lock.release();
        await (await next).release();
      }),
    );
  }
  await Promise.all([first.close(), second.close()]);
  return begin;
}

/** What a server still has of those names. */
export async function leftOf(begin: string, server: RedisServer): Promise<typeof onlyFences> {
  const count = async (keys: Promise<unknown>): Promise<string[]> => (await keys) as string[];
  const fences = await count(server.command('KEYS', `fence:*${begin}-*`));
  const expiries = await Promise.all(fences.map((fence) => server.command('PTTL', fence)));
  return {
    locks: (await count(server.command('KEYS', `lock:${begin}-*`))).length,
    fences: fences.length,
    fencesForEver: expiries.filter((expiry) => Number(expiry) <= 0).length,
    channels: (await count(server.command('PUBSUB', 'CHANNELS', `*${begin}*`))).length,
  };
}

/** What is to be left: the fencing tokens, until their keys expire. */
export const onlyFences: Record<'locks' | 'fences' | 'fencesForEver' | 'channels', number> = {
  locks: 0,
  fences: names,
  fencesForEver: 0,
  channels: 0,
};

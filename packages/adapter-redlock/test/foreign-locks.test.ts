import type { Lock, Locks, LocksOptions } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { lockError, newName, sleep, until } from '../../redis-protocol/test/support/helpers.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();

/** What another library does: SET NX with a value of its own. On how many nodes it took effect. */
async function setNx(key: string, nodes = rig.servers): Promise<number> {
  const set = ['SET', `lock:${key}`, 'foreign', 'NX', 'PX', 20_000] as const;
  const replies = await Promise.all(nodes.map((node) => node.command(...set)));
  return replies.filter((reply) => reply === 'OK').length;
}

async function foreignVotes(key: string): Promise<number> {
  const values = await Promise.all(rig.servers.map((node) => node.command('GET', `lock:${key}`)));
  return values.filter((value) => value === 'foreign').length;
}

const deleteAll = (key: string) => Promise.all(rig.servers.map((node) => node.command('DEL', `lock:${key}`)));

// Each waiter asks for itself.
const options: LocksOptions = { ttlMs: 20_000, localRun: { count: 0 } };

type Take = (locks: Locks, key: string, once?: 'once') => Promise<Lock | undefined>;

it.each<[string, Take]>([
  ['an exclusive lock', (locks, key, once) => (once ? locks.tryAcquire(key) : locks.acquire(key))],
  ['shared locks', (locks, key, once) => locks[once ? 'tryAcquire' : 'acquire'](key, { mode: 'shared' })],
  ['permits', (locks, key, once) => locks.semaphore(key, 3)[once ? 'tryAcquire' : 'acquire']({ permits: 2 })],
])('a foreign SET NX and %s keep each other out, and neither touches the other', async (mode, take) => {
  const locks = await rig.locks(options);
  const other = await rig.locks(options);
  const key = newName();
  // One node less.
  expect(await setNx(key, rig.servers.slice(4))).toBe(1);
  const held = (await take(locks, key))!;
  expect(await setNx(key)).toBe(0);
  await held.renew();
  if (held.mode === 'exclusive') await held.downgrade();
  expect([held.state, await held.release(), await foreignVotes(key)]).toEqual(['held', 'released', 1]);

  await deleteAll(key);
  expect(await setNx(key)).toBe(5);
  if (mode === 'permits') {
    // A key is for one kind of use.
    for (const once of ['once', undefined] as const)
      await expect(take(locks, key, once)).rejects.toEqual(lockError('LOCK_INVALID_ARGUMENT'));
    await deleteAll(key);
    return expect(await (await take(locks, key))!.release()).toBe('released');
  }
  expect(await take(locks, key, 'once')).toBeUndefined();
  let served = 0;
  const waiting = [locks, other].map(async (each) => {
    const lock = (await take(each, key))!;
    served += 1;
    await lock.release();
  });
  await sleep(300);
  expect([served, await foreignVotes(key)]).toEqual([0, 5]);
  await deleteAll(key);
  await Promise.all(waiting);
  await until('a free key', async () => (await locks.inspect(key)) === undefined);
});

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks, type Lock } from '@holdfast/lock-core';
import { type EtcdCluster, type ServerProcess, startEtcdCluster } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterOf, newName } from './support/etcd.ts';

let cluster: EtcdCluster;
beforeAll(async () => {
  cluster = await startEtcdCluster();
});
afterAll(() => cluster.stop());

/** The members, the one to be asked first in front. */
const membersFrom = (first: ServerProcess): ServerProcess[] => [
  first,
  ...cluster.members.filter((member) => member !== first),
];
const lostSignal = ({ signal }: Lock): Promise<unknown> => (signal.aborted ? Promise.resolve() : once(signal, 'abort'));

describe('three members', () => {
  it('H19: the leader is killed: no hold is lost, exclusion stands, the waiter is served, tokens rise', async () => {
    const leader = await cluster.leader();
    const members = membersFrom(leader);
    const [one, two, three] = [members, members, members].map((hosts) =>
      createLocks(adapterOf(hosts), { ttlMs: 10_000 }),
    );
    const name = newName();
    const held = await one!.acquire(name);
    const other = await one!.acquire(newName());
    const waiting = two!.acquire(name);
    await sleep(300);
    await leader.kill();
    // More than a period of the watchdog, so that both have been renewed since.
    await sleep(5_000);
    expect([held.state, other.state]).toEqual(['held', 'held']);
    expect(await three!.tryAcquire(name)).toBeUndefined();
    await held.renew();
    await held.release();
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken!);
    await leader.restart();
  }, 60_000);

  it('H66, H74: the member that is asked is frozen: the hold is renewed and the waiter served through the others', async () => {
    const leader = await cluster.leader();
    const follower = cluster.members.find((member) => member !== leader)!;
    const members = membersFrom(follower);
    const [one, two] = [members, members].map((hosts) =>
      createLocks(adapterOf(hosts, { callTimeoutMs: 1_000 }), { ttlMs: 12_000 }),
    );
    const name = newName();
    const held = await one!.acquire(name);
    const waiting = two!.acquire(name);
    await sleep(300);
    follower.freeze();
    await sleep(6_000);
    expect(held.state).toBe('held');
    await held.release();
    await waiting;
    follower.thaw();
  }, 60_000);

  it('H45: quorum lost: holds are lost by their TTL and nobody gets a lock; regained: it works, with a higher token', async () => {
    const [first, second, third] = cluster.members;
    const locks = createLocks(adapterOf(cluster.members), { backendTimeoutMs: 2_000 });
    const name = newName();
    const held = await locks.acquire(name, { ttlMs: 3_000 });
    const lost = lostSignal(held);
    await sleep(300);
    await Promise.all([second!.kill(), third!.kill()]);
    const killedAt = performance.now();
    await lost;
    // A leader without its followers answers keep-alives until it notices, which takes an election time-out; no key can be
    // deleted without a quorum, and the next leader begins every lease anew.
    expect(performance.now() - killedAt).toBeLessThan(3_000 + 2_000);
    await expect(locks.acquire(name)).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    await Promise.all([second!.restart(), third!.restart()]);
    const next = await createLocks(adapterOf([first!, second!, third!]), { backendTimeoutMs: 20_000 }).acquire(name);
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken!);
  }, 90_000);
});

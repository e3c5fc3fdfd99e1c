import { createLocks } from '@holdfast/lock-core';
import { startRedisSentinel } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { attempt, grant, leaveEarly, newName, sleep, until } from './helpers.ts';
import type { ClientKit } from './kit.ts';

/** A failover: what it may lose is lost, and the locks work on. Each test has a group of its own, since it spends it. */
export function sentinelSuite(kits: readonly ClientKit[]): void {
  describe.each(kits)('$name', (kit) => {
    it('H43: waiters that leave before they are subscribed leave no subscription, and a closed client no connection', {
      timeout: 90_000,
    }, async () => {
      const group = await startRedisSentinel();
      const client = kit.connect({ kind: 'sentinel', nodes: group.sentinels, masterName: group.masterName });
      const channels = async () => (await group.master.command('PUBSUB', 'CHANNELS', 'lock:*')) as string[];
      const connections = async () =>
        String(await group.master.command('CLIENT', 'LIST'))
          .trim()
          .split('\n').length;
      try {
        await until('it is connected', () => client.works().catch(() => false));
        const before = await connections();
        const adapters = [client.adapter(), client.adapter()] as const;
        await Promise.all(adapters.map(leaveEarly));
        await adapters[0].close?.();
        await until('no subscription is left', async () => (await channels()).length === 0);
        const stays = new AbortController();
        await adapters[1].whenFree?.(newName(), stays.signal);
        const hint = adapters[1].whenFree?.(newName(), stays.signal);
        await client.close();
        await adapters[1].close?.();
        await expect(hint).rejects.toThrow();
        for (const pauseMs of [0, 0, 1, 2, 3]) {
          const ours = kit.open({ kind: 'sentinel', nodes: group.sentinels, masterName: group.masterName });
          await ours.inspect?.(newName());
          ours.whenFree?.(newName(), new AbortController().signal).catch(() => {});
          if (pauseMs > 0) await sleep(pauseMs);
          await ours.close?.();
        }
        // Time for a connection that is only for the end of a subscription, or made again.
        await sleep(250);
        await until('no connection is left', async () => (await connections()) < before);
      } finally {
        await client.close();
        await group.stop();
      }
    });

    it('H19: waitReplicas, then a failover: the lock works on, tokens rise, and waiters are woken from the start', {
      timeout: 90_000,
    }, async () => {
      const group = await startRedisSentinel();
      const client = kit.connect({ kind: 'sentinel', nodes: group.sentinels, masterName: group.masterName });
      try {
        // Before the client is connected.
        const waiting = new AbortController();
        await client.adapter().whenFree?.(newName(), waiting.signal);
        waiting.abort();
        const adapter = client.adapter({ waitReplicas: 1, waitReplicasTimeoutMs: 5_000 });
        const request = attempt(newName(), { ttlMs: 600_000 });
        const { fencingToken } = await until('a grant that a replica has', async () => {
          const outcome = await adapter.tryAcquire(request);
          return outcome.status === 'granted' && outcome;
        });
        await group.master.kill();
        // Two replicas, and the sentinels promote the one that has more: the lock has survived this failover.
        const seen = await until('the new master', () => adapter.inspect?.(request.key).catch(() => undefined));
        expect(seen).toMatchObject({ owner: request.owner, fencingToken });
        const locks = createLocks(client.adapter());
        await adapter.forceRelease?.(request.key);
        const lock = await locks.acquire(request.key, { ttlMs: 5_000 });
        expect(lock.fencingToken).toBeGreaterThan(fencingToken!);
        expect(await lock.release()).toBe('released');
        const after = await grant(client.adapter(), attempt(request.key));
        expect(after.fencingToken).toBeGreaterThan(lock.fencingToken!);
        await locks.close();
      } finally {
        await client.close();
        await group.stop();
      }
    });
  });

  // The adapter package imports one major version of its client.
  it(`H43: a subscription that was asked for as the master froze stands at the next one, ${kits[0]!.name}`, {
    timeout: 90_000,
  }, async () => {
    const group = await startRedisSentinel();
    const adapter = kits[0]!.open({ kind: 'sentinel', nodes: group.sentinels, masterName: group.masterName });
    try {
      const [key, stays] = [newName(), new AbortController()];
      const works = () =>
        adapter.inspect?.(key).then(
          () => true,
          () => false,
        );
      await until('it is connected', works);
      group.master.freeze();
      const first = adapter.whenFree?.(key, stays.signal);
      await until('the new master', works);
      await first;
      const hint = adapter.whenFree?.(key, stays.signal);
      await until('it is told', async () => {
        const told = group.replicas.map((replica) => replica.command('PUBLISH', `lock:${key}`, ''));
        return (await Promise.all(told)).includes(1);
      });
      await hint;
      stays.abort();
    } finally {
      await adapter.close?.();
      await group.stop();
    }
  });
}

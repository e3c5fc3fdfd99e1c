import { createLocks } from '@holdfast/lock-core';
import { type RedisServer, startRedisSentinel, startReplicatedRedisCluster } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { newName, until } from './helpers.ts';
import type { ClientKit, Target } from './kit.ts';

/** A place that the server was silent about for 8 s is given up, and its order with it. */
const orderIsKeptMs = 6_000;

/** Servers of which one takes over from another. */
interface Failover {
  readonly target: Target;
  /** A key that the master has. */
  readonly key: string;
  readonly master: RedisServer;
  readonly replicas: readonly RedisServer[];
  stop(): Promise<void>;
}

async function sentinel(): Promise<Failover> {
  const group = await startRedisSentinel();
  const { sentinels, masterName, master, replicas } = group;
  const target: Target = { kind: 'sentinel', nodes: sentinels, masterName };
  return { target, key: newName(), master, replicas, stop: () => group.stop() };
}

async function cluster(): Promise<Failover> {
  const group = await startReplicatedRedisCluster();
  const { nodes, master, replica } = group;
  const key = await until('a key of the master', async () => {
    const name = newName();
    return Number(await master.command('CLUSTER', 'KEYSLOT', `lock:${name}`)) < 5_000 ? name : undefined;
  });
  return { target: { kind: 'cluster', nodes }, key, master, replicas: [replica], stop: () => group.stop() };
}

/** Who has been promoted. */
async function promoted(replicas: readonly RedisServer[]): Promise<RedisServer | undefined> {
  const roles = await Promise.all(replicas.map((replica) => replica.command('ROLE')));
  return replicas.find((_, i) => (roles[i] as unknown[])[0] === 'master');
}

/** A failover while others wait, with and without their places. Each test has servers of its own, since it spends them. */
export function queueFailoverSuite(kits: readonly ClientKit[]): void {
  const starts = { sentinel, cluster };
  const cases = (['sentinel', 'cluster'] as const).flatMap((kind) => [
    { kind, what: 'the places survive', isLost: false },
    { kind, what: 'the places are lost', isLost: true },
    { kind, what: 'the old master is silent', isLost: false, isSilent: true },
  ]);
  describe.each(kits)('$name', (kit) => {
    it.each(cases)(
      'H105: a failover in the middle of a queue ($kind): all are served in their order, one at a time ($what)',
      {
        timeout: 120_000,
      },
      async ({ kind, isLost, isSilent = false }) => {
        const { target, key, master, replicas, stop } = await starts[kind]();
        const clients = [kit.connect(target), kit.connect(target), kit.connect(target)];
        // Strict order, so that each waiter has a place of its own.
        const options = { backendTimeoutMs: 90_000, localRun: { count: 0 } };
        // The lock itself is to survive: a replica has it before its holder has.
        const holding = createLocks(clients[0]!.adapter({ waitReplicas: 1, waitReplicasTimeoutMs: 5_000 }), options);
        const waiting = [createLocks(clients[1]!.adapter(), options), createLocks(clients[2]!.adapter(), options)];
        try {
          const seen = () => holding.inspect(key).catch(() => undefined);
          const lock = await holding.acquire(key, { ttlMs: 90_000 });
          const order: number[] = [];
          const tokens = [lock.fencingToken!];
          let held = 0;
          const waiters: Promise<void>[] = [];
          for (let i = 0; i < 4; i += 1) {
            const turn = waiting[i % 2]!.using(key, { ttlMs: 90_000 }, async ({ fencingToken }) => {
              held += 1;
              expect(held).toBe(1);
              order.push(i);
              tokens.push(fencingToken!);
              held -= 1;
            });
            turn.catch(() => {});
            waiters.push(turn);
            await until('its place', async () => (await seen())?.waiters === i + 1);
          }
          const killedAt = performance.now();
          if (isSilent) master.freeze();
          else await master.kill();
          const heir = await until('the new master', () => promoted(replicas));
          if (isLost) await heir.command('DEL', `fence:queue:{lock:${key}}`, `fence:places:{lock:${key}}`);
          await until('all places', async () => (await seen())?.waiters === 4);
          const tookMs = performance.now() - killedAt;
          expect(order).toEqual([]);
          await lock.release();
          await Promise.all(waiters);
          if (tookMs < orderIsKeptMs) expect(order).toEqual([0, 1, 2, 3]);
          expect([...order].sort()).toEqual([0, 1, 2, 3]);
          expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)));
          expect(new Set(tokens).size).toBe(5);
          expect(await until('a free key', async () => (await seen()) === undefined)).toBe(true);
        } finally {
          for (const locks of [holding, ...waiting]) await locks.close();
          for (const client of clients) await client.close();
          await stop();
        }
      },
    );
  });
}

import { setTimeout as sleep } from 'node:timers/promises';
import { type Claim, createLocks } from '@holdfast/lock-core';
import { type RedisGroup, type RedisServer, startRedis } from '@holdfast/testbed';
import { expect, it } from 'vitest';
import { attempt, grant, newName, until } from './helpers.ts';
import type { ClientKit } from './kit.ts';

/** A slot on its way from one node to the next: `begin` starts the move, `finish` ends it, `cancel` takes it back. */
async function moveOf({ nodes }: RedisGroup, key: string) {
  const slot = String(await nodes[0]!.command('CLUSTER', 'KEYSLOT', key));
  const ranges = (await nodes[0]!.command('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
  const port = ranges.find(([first, last]) => Number(slot) >= first && Number(slot) <= last)![2][1];
  const at = nodes.findIndex((node) => node.port === Number(port));
  const [source, target] = [nodes[at]!, nodes[(at + 1) % nodes.length]!];
  const [sourceId, targetId] = (await Promise.all([source, target].map((node) => node.command('CLUSTER', 'MYID')))) as [
    string,
    string,
  ];
  const setSlot = (node: RedisServer, ...state: string[]) => node.command('CLUSTER', 'SETSLOT', slot, ...state);
  return {
    source,
    target,
    async begin() {
      await setSlot(target, 'IMPORTING', sourceId);
      await setSlot(source, 'MIGRATING', targetId);
    },
    move: (name: string) => source.command('MIGRATE', target.host, String(target.port), name, '0', '5000'),
    async moveRest() {
      for (const name of (await source.command('CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[])
        await this.move(name);
    },
    async finish() {
      for (const node of [target, source, ...nodes]) await setSlot(node, 'NODE', targetId);
    },
    async cancel() {
      for (const node of [target, source]) await setSlot(node, 'STABLE');
    },
  };
}

/** What a lock does while its slot moves to another node. */
export function slotTests(kit: ClientKit, cluster: () => RedisGroup): void {
  const connect = () => kit.connect({ kind: 'cluster', nodes: cluster().nodes });

  it('a slot on the move: a free lock is busy for as long, a held one can be renewed, read and released (H130)', async () => {
    const client = connect();
    const adapter = client.adapter();
    // Two locks of one slot.
    const tag = newName();
    const [used, held] = [attempt(`{${tag}}used`), attempt(`{${tag}}held`, { ttlMs: 60_000 })];
    const before = await until('a grant', () => grant(adapter, used).catch(() => undefined));
    expect(await adapter.release(used)).toBe('released');
    const { fencingToken } = await grant(adapter, held);
    const slot = await moveOf(cluster(), `{${tag}}`);
    await slot.begin();
    const next = attempt(used.key);
    // The key of its tokens is still there, the lock has none: Redis says TRYAGAIN.
    expect(await adapter.tryAcquire(next)).toEqual({ status: 'busy', retryAfterMs: 100 });
    expect(await adapter.inspect?.(used.key)).toBeUndefined();
    await slot.move(`lock:${held.key}`);
    // ASK, and TRYAGAIN there for what needs both keys.
    expect(await adapter.renew(held, 50_000)).toEqual({ status: 'renewed', validForMs: 50_000 });
    expect(await adapter.inspect?.(held.key)).toMatchObject({ owner: held.owner });
    await slot.move(`fence:{${tag}}:lock:${held.key}`);
    expect(await adapter.inspect?.(held.key)).toMatchObject({ owner: held.owner, fencingToken });
    expect((await grant(adapter, held)).fencingToken).toBe(fencingToken);
    expect(await adapter.release(held)).toBe('released');
    await slot.move(`fence:{${tag}}:lock:${used.key}`);
    await slot.finish();
    // MOVED.
    const after = await grant(adapter, attempt(used.key));
    expect(after.fencingToken).toBeGreaterThan(before.fencingToken!);
    await client.close();
  });

  it('a slot that is longer on the move than a backend may be silent: a waiter gets the lock afterwards (H130)', async () => {
    const client = connect();
    const backendTimeoutMs = 800;
    const locks = createLocks(client.adapter(), { backendTimeoutMs });
    const tag = newName();
    const key = `{${tag}}used`;
    // Its tokens are still there, and the lock is not: Redis says TRYAGAIN.
    await (await locks.acquire(key)).release();
    const slot = await moveOf(cluster(), `{${tag}}`);
    await slot.begin();
    const waiter = locks.acquire(key, { waitMs: 60_000 });
    waiter.catch(() => {});
    await sleep(2 * backendTimeoutMs);
    await slot.move(`fence:{${tag}}:lock:${key}`);
    await slot.finish();
    expect((await waiter).state).toBe('held');
    await locks.close();
    await client.close();
  });

  it.each<Claim>([{ mode: 'shared' }, { mode: 'permits', permits: 2, limit: 5 }])(
    'a slot on the move: a release of $mode that cannot be looked up is not answered, and takes effect afterwards (H115)',
    async (claim) => {
      const client = connect();
      const adapter = client.adapter();
      const tag = newName();
      const key = `{${tag}}shared`;
      const held = attempt(key, { ttlMs: 60_000, claim });
      await until('a grant', () => grant(adapter, held).catch(() => undefined));
      const slot = await moveOf(cluster(), `{${tag}}`);
      await slot.begin();
      await slot.move(`lock:${key}`);
      // The lock says that several may hold it; who they are is still on the other node.
      expect(await adapter.inspect?.(key)).toMatchObject({ mode: claim.mode });
      await expect(adapter.release(held)).rejects.toMatchObject({
        code: 'LOCK_BACKEND',
        retryable: true,
        message: expect.stringContaining('TRYAGAIN'),
      });
      await slot.moveRest();
      await slot.finish();
      expect(await adapter.release(held)).toBe('released');
      expect(await adapter.inspect?.(key)).toBeUndefined();
      await client.close();
    },
  );

  it('waitReplicas does not count the replicas of the node from which the slot moves away (H19)', async () => {
    const client = connect();
    const adapter = client.adapter({ waitReplicas: 1, waitReplicasTimeoutMs: 50, fencing: false });
    const tag = newName();
    const slot = await moveOf(cluster(), `{${tag}}`);
    const { host, port } = slot.source;
    await slot.source.command('CONFIG', 'SET', 'repl-diskless-sync-delay', '0');
    const replica = await startRedis({ args: ['--replicaof', host, String(port)] });
    try {
      await until(
        'a replica confirms',
        async () => (await adapter.tryAcquire(attempt(`{${tag}}a`))).status === 'granted',
      );
      await slot.begin();
      // ASK leads to the other node, which has no replica.
      const request = attempt(`{${tag}}b`);
      expect(await adapter.tryAcquire(request)).toEqual({ status: 'busy' });
      expect(await slot.target.command('CLUSTER', 'COUNTKEYSINSLOT', String(await slotOf(slot.target, tag)))).toBe(0);
    } finally {
      await slot.cancel();
      await replica.stop();
      await client.close();
    }
  });
}

const slotOf = (node: RedisServer, tag: string) => node.command('CLUSTER', 'KEYSLOT', tag);

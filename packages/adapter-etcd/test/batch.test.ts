import { randomBytes } from 'node:crypto';
import { createLocks } from '@holdfast/lock-core';
import { type EtcdServer, startEtcd } from '@holdfast/testbed';
import { type Etcd3, EtcdLeaseInvalidError } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Batch, createBatch } from '../src/batch.ts';
import { exclusive } from '../src/claim.ts';
import { createEndpoints } from '../src/endpoints.ts';
import { keyLayout } from '../src/key-layout.ts';
import { freeHeld, type Standing, takePlace } from '../src/requests.ts';
import { adapterOf, clientOf, metric, newName, placesOf } from './support/etcd.ts';

let server: EtcdServer;
beforeAll(async () => {
  server = await startEtcd();
});
afterAll(() => server.stop());

const keys = keyLayout('locks/');
const transactions = () => metric(server, /^grpc_server_started_total\{grpc_method="Txn"/);

/** Takes and frees places under a lease, in turns of the test's choosing. */
async function queueing(): Promise<{
  client: Etcd3;
  batch: Batch;
  take(name: string, owner: string, leaseId?: string): Promise<Standing | undefined>;
  free(name: string, owner: string, token: string): ReturnType<typeof freeIn>;
}> {
  const client = clientOf(server);
  const batch = createBatch(createEndpoints([client], 2_000, false));
  const { ID } = await client.leaseClient.leaseGrant({ TTL: 60 });
  const requestFor = (name: string, owner: string) => ({
    range: keys.range(name),
    key: Buffer.from(keys.key(name, owner)),
  });
  return {
    client,
    batch,
    take: (name, owner, leaseId = ID) =>
      batch.send(takePlace({ ...requestFor(name, owner), leaseId, ttlMs: 30_000, claim: exclusive })),
    free: (name, owner, token) => freeIn(batch, requestFor(name, owner), token),
  };
}
const freeIn = (batch: Batch, request: Parameters<typeof freeHeld>[0], token: string) =>
  batch.send(freeHeld(request, token, true));

describe('transactions that are shared', () => {
  it('64 locks that are asked for in one turn, and given back in one, cost few transactions', async () => {
    const locks = createLocks(adapterOf(server));
    await (await locks.acquire(newName())).release();
    const before = await transactions();
    const held = await Promise.all(Array.from({ length: 64 }, () => locks.acquire(newName())));
    expect(await Promise.all(held.map((lock) => lock.release()))).toEqual(held.map(() => 'released'));
    expect((await transactions()) - before).toBeLessThanOrEqual(16);
  });

  it('32 waiters of one process: a hand-over and the next request for a place share a transaction', async () => {
    // Each has a place of its own.
    const locks = createLocks(adapterOf(server), { localRun: { count: 0 } });
    const name = newName();
    const before = await transactions();
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        for (let turn = 0; turn < 10; turn += 1) await locks.using(name, () => {});
      }),
    );
    // 320 turns; 640 transactions if each had its own, and the first places of all are asked for one by one.
    expect((await transactions()) - before).toBeLessThan(450);
  });

  it('H62: two places in one queue are never made by one transaction: their tokens differ', async () => {
    const { client, take } = await queueing();
    const name = newName();
    const standings = await Promise.all([take(name, 'one'), take(name, 'two')]);
    // On the way one may overtake the other.
    const [first, second] = standings.sort((a, b) => Number(a!.token) - Number(b!.token));
    expect(second!.token).not.toBe(first!.token);
    expect(first!.ahead).toEqual([]);
    expect(second!.ahead[0]?.create_revision).toBe(first!.token);
    expect(await placesOf(client, name)).toHaveLength(2);
  });

  it('H37: a place that is asked for in the turn of the release ahead of it is at the head at once', async () => {
    const { client, take, free } = await queueing();
    const name = newName();
    const one = await take(name, 'one');
    const [two, freed] = await Promise.all([take(name, 'two'), free(name, 'one', one!.token)]);
    expect(two!.ahead).toEqual([]);
    expect(freed.deleted).toBe(true);
    expect(await placesOf(client, name)).toHaveLength(1);
  });

  it('a place that is asked for and given up in one turn: neither request spoils those of others', async () => {
    const { client, take, free } = await queueing();
    const [name, other] = [newName(), newName()];
    const [, , neighbour] = await Promise.all([take(name, 'one'), free(name, 'one', '1'), take(other, 'one')]);
    expect(neighbour!.ahead).toEqual([]);
    expect(await placesOf(client, other)).toHaveLength(1);
  });

  it('H57: one whose lease has ended is refused alone; what shared its transaction is done', async () => {
    const { client, take, free } = await queueing();
    const [good, bad, held] = [newName(), newName(), newName()];
    const holder = await take(held, 'one');
    const ended = (await client.leaseClient.leaseGrant({ TTL: 60 })).ID;
    await client.leaseClient.leaseRevoke({ ID: ended });
    const [taken, refused, freed] = await Promise.allSettled([
      take(good, 'one'),
      take(bad, 'one', ended),
      free(held, 'one', holder!.token),
    ]);
    expect(taken).toMatchObject({ status: 'fulfilled', value: { ahead: [] } });
    expect(refused.status === 'rejected' && refused.reason).toBeInstanceOf(EtcdLeaseInvalidError);
    expect(freed).toMatchObject({ status: 'fulfilled', value: { deleted: true } });
    expect(await Promise.all([good, bad, held].map(async (name) => (await placesOf(client, name)).length))).toEqual([
      1, 0, 0,
    ]);
  });

  it('the longest names, all in one turn, and owners that ask twice', async () => {
    const { take } = await queueing();
    const names = Array.from({ length: 100 }, () => randomBytes(512).toString('hex'));
    const first = await Promise.all(names.map((name) => take(name, 'one')));
    expect(first.every((standing) => standing?.ahead.length === 0)).toBe(true);
    expect(await Promise.all(names.map((name) => take(name, 'one')))).toEqual(names.map(() => undefined));
  });
});

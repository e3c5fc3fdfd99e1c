import { ioredisBinding } from '@holdfast/adapter-ioredis';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterEach, describe, expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from '../../redis-protocol/test/support/helpers.ts';
import { redlockAdapter } from '../src/index.ts';
import { type Address, type ClientKind, redlockOver } from './support/nodes.ts';
import { type Relay, relay } from './support/relay.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();
const relays: Relay[] = [];
afterEach(async () => {
  await Promise.all(relays.splice(0).map((one) => one.close()));
});

/** An adapter over three servers, each behind a name that can lead elsewhere. */
async function named(kind: ClientKind, order = [0, 1, 2]) {
  const names = await Promise.all(order.map((i) => relay(rig.servers[i]!)));
  relays.push(...names);
  const adapter = await redlockOver(names, {}, [kind]);
  await grant(adapter, attempt(newName('warm')));
  return { adapter, names };
}

describe.each(['ioredis', 'node-redis'] as const)('H119: over %s', (kind) => {
  it('a name that leads to the server of another node later has no vote', async () => {
    const [one, two, three] = rig.servers.slice(0, 3) as Address[] as [Address, Address, Address];
    const { adapter, names } = await named(kind);
    const name = newName();
    names[2]!.lead(two);
    // With the first server away, one server is left, under two names.
    names[0]!.lead({ host: '127.0.0.1', port: 1 });
    for (let i = 0; i < 10; i += 1) {
      const outcome = await adapter
        .tryAcquire(attempt(name, { signal: AbortSignal.timeout(300) }))
        .catch(() => undefined);
      expect(outcome?.status).not.toBe('granted');
    }
    names[0]!.lead(one);
    await until('the two servers decide', () => grant(adapter, attempt(name)).catch(() => undefined));
    names[2]!.lead(three);
    names[1]!.lead({ host: '127.0.0.1', port: 1 });
    await until('the third one has a vote again', () => grant(adapter, attempt(newName())).catch(() => undefined));
    await adapter.close?.();
  });

  it('names that swap their servers go on', async () => {
    const [one, two] = rig.servers.slice(0, 2) as Address[] as [Address, Address];
    const { adapter, names } = await named(kind);
    const request = attempt(newName(), { ttlMs: 60_000 });
    const { fencingToken } = await grant(adapter, request);
    names[0]!.lead(two);
    names[1]!.lead(one);
    await until('it is renewed by all', async () => {
      const { status } = await adapter.renew({ ...request, fencingToken }, 60_000).catch(() => ({ status: 'unknown' }));
      expect(status).not.toBe('lost');
      return status === 'renewed';
    });
    names[2]!.lead({ host: '127.0.0.1', port: 1 });
    await until('both have their votes', () => grant(adapter, attempt(newName())).catch(() => undefined));
    await adapter.close?.();
  });

  it('a vote whose release went to another server is withdrawn when the name leads to its own again (H11)', async () => {
    const [, two, three] = rig.servers.slice(0, 3) as Address[] as [Address, Address, Address];
    const { adapter, names } = await named(kind);
    const request = attempt(newName(), { ttlMs: 60_000 });
    const { fencingToken } = await grant(adapter, request);
    const voteAtThree = () => rig.servers[2]!.command('EXISTS', `lock:${request.key}`);
    await until('the vote of the third node', async () => (await voteAtThree()) === 1);
    names[2]!.lead(two);
    // It asks the nodes whether they are connected, and so meets the other server.
    await until('it is renewed by the others', async () => {
      const { status } = await adapter.renew({ ...request, fencingToken }, 60_000).catch(() => ({ status: 'unknown' }));
      return status === 'renewed';
    });
    expect(await adapter.release({ ...request, fencingToken })).toBe('released');
    expect(await voteAtThree()).toBe(1);
    names[2]!.lead(three);
    await until('it is withdrawn', async () => (await voteAtThree()) === 0);
    await adapter.close?.();
  });

  it('two names of one server from the start are refused, and taken when they are two', async () => {
    const names = await Promise.all([0, 1, 1].map((i) => relay(rig.servers[i]!)));
    relays.push(...names);
    const adapter = await redlockOver(names, {}, [kind]);
    const refusal = lockError('LOCK_INVALID_ARGUMENT', { message: expect.stringContaining('nodes 2 and 3') });
    await expect(adapter.tryAcquire(attempt(newName()))).rejects.toEqual(refusal);
    names[2]!.lead(rig.servers[2]!);
    await until('it is taken', () => grant(adapter, attempt(newName())).catch(() => undefined));
    await adapter.close?.();
  });
});

it('H35: two databases of one server are refused as two nodes, at the first use', async () => {
  const clients = [rig.servers[0]!, rig.servers[1]!, rig.servers[1]!].map(
    ({ host, port }, db) => new Redis({ host, port, db }),
  );
  const adapter = redlockAdapter(clients.map((client) => ioredisBinding(client, { ownsClient: true })));
  const refusal = lockError('LOCK_INVALID_ARGUMENT', { message: expect.stringContaining('nodes 2 and 3') });
  await expect(adapter.tryAcquire(attempt(newName()))).rejects.toEqual(refusal);
  await expect(adapter.tryAcquire(attempt(newName()))).rejects.toEqual(refusal);
  await adapter.close?.();
});

it('H119: an application that connects its node-redis client again itself gets no second vote of a server', async () => {
  const names = await Promise.all([0, 1, 2].map((i) => relay(rig.servers[i]!)));
  relays.push(...names);
  const clients = names.map(({ host, port }) =>
    createClient({ socket: { host, port, reconnectStrategy: false } }).on('error', () => {}),
  );
  await Promise.all(clients.map((client) => client.connect()));
  const adapter = redlockAdapter(clients);
  await grant(adapter, attempt(newName('warm')));
  clients[2]!.destroy();
  names[2]!.lead(rig.servers[1]!);
  await clients[2]!.connect();
  clients[0]!.destroy();
  // One server is left, under two names.
  for (let i = 0; i < 3; i += 1) {
    const outcome = await adapter.tryAcquire(attempt(newName())).catch(() => undefined);
    expect(outcome?.status).not.toBe('granted');
  }
  for (const client of clients.slice(1)) client.destroy();
});

import { type AcquireAttempt, createLocks, type LockAdapter } from '@holdfast/lock-core';
import type { RedisClientBinding } from '@holdfast/redis-protocol';
import type { RedisServer } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { attempt, grant, newName, sleep, until } from '../../redis-protocol/test/support/helpers.ts';
import { openRedlock, redlockAdapter } from '../src/index.ts';
import { bind } from './support/nodes.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();

/** An adapter over three nodes that notes what it sends, and whether the client would have queued it. */
async function watched(options = {}) {
  const sent: string[] = [];
  const queued: string[] = [];
  const bindings = await Promise.all(
    rig.proxies.slice(0, 3).map((proxy, i) => bind(i === 1 ? 'node-redis' : 'ioredis', proxy)),
  );
  const spied = bindings.map((binding, i) => {
    const spy: RedisClientBinding = Object.create(binding, {
      call: {
        value: (command: string, args: readonly string[], key?: string) => {
          sent.push(`${i}:${command} ${args.join(' ')}`);
          if (!binding.ready) queued.push(`${i}:${command}`);
          return binding.call(command, args, key);
        },
      },
    });
    return spy;
  });
  const adapter: LockAdapter = redlockAdapter(spied, options);
  await grant(adapter, attempt(newName('warm')));
  // A majority grants; the third node may still ask for the text of the script.
  const hash = sent.find((each) => each.includes(':evalsha '))!.split(' ')[1]!;
  await until('every node has the script', async () => {
    const known = await Promise.all(bindings.map((binding) => binding.call('script', ['exists', hash])));
    return known.every((each) => String(each) === '1');
  });
  sent.length = 0;
  return { adapter, sent, queued };
}

const tried = (adapter: LockAdapter, key: string) => {
  const request = attempt(key, { signal: AbortSignal.timeout(200) });
  return { request, outcome: adapter.tryAcquire(request).catch(() => undefined) };
};

it.each(['connected', 'connecting'])(
  'H125: a waiter that gives up while nodes are asked (%s) costs one release, and closing waits for no more than the answers',
  async (how) => {
    const { adapter, sent } = await watched();
    const [key, held] = [newName(), createLocks(adapter)];
    await held.acquire(key);
    sent.length = 0;
    const url = rig.proxies.slice(0, 3).map(({ host, port }) => ({ host, port }));
    const asking = createLocks(how === 'connected' ? adapter : await openRedlock({ nodes: url }));
    const abort = new AbortController();
    const waiting = asking.acquire(key, { waitMs: 10_000, signal: abort.signal });
    setImmediate(() => abort.abort(new Error('gives up')));
    await expect(waiting).rejects.toThrow('gives up');
    const begun = performance.now();
    await asking.close();
    // A clean-up that does not end takes as long as an answer may: 2 s.
    expect(performance.now() - begun).toBeLessThan(1_500);
    // A vote, its withdrawal and that of the owner, at each node.
    expect(sent.length).toBeLessThanOrEqual(9);
    await held.close();
  },
);

it('H116: while a majority is down nothing is sent or queued, and every attempt says so', {
  timeout: 60_000,
}, async () => {
  const { adapter, sent, queued } = await watched();
  const down = rig.servers.slice(0, 2);
  await Promise.all(down.map((server) => server.kill()));
  const key = newName();
  // The third node is still asked until both clients have noticed.
  await until('the connections are lost', async () => {
    sent.length = 0;
    return (await tried(adapter, key).outcome) === undefined && sent.length === 0;
  });
  for (let i = 0; i < 50; i += 1) {
    const request = attempt(key, { signal: AbortSignal.timeout(200) });
    await expect(adapter.tryAcquire(request)).rejects.toMatchObject({ retryable: true, notSent: true });
  }
  expect(sent).toEqual([]);
  expect(queued).toEqual([]);
  await Promise.all(down.map((server) => server.restart()));
  const backAt = performance.now();
  await until('a lock', async () => (await tried(adapter, key).outcome)?.status === 'granted');
  // The clients reconnect within half a second.
  expect(performance.now() - backAt).toBeLessThan(3_000);
  await adapter.close?.();
});

it('H116: a majority that is frozen gets a handful of commands, however many locks are asked for, released and looked at', {
  timeout: 60_000,
}, async () => {
  const { adapter, sent } = await watched({ nodeTimeoutMs: 100 });
  for (const server of rig.servers.slice(0, 2)) server.freeze();
  const key = newName();
  const unsent: boolean[] = [];
  const once = async (): Promise<void> => {
    const request = attempt(key, { signal: AbortSignal.timeout(200) });
    const error = await adapter.tryAcquire(request).catch((failure) => failure);
    unsent.push(error.notSent === true);
    // The clean-up repeats itself as long as it has no answer.
    for (let i = 0; i < 3; i += 1) await adapter.release(request).catch(() => {});
    await adapter.inspect!(key).catch(() => {});
    await adapter.forceRelease!(key).catch(() => {});
  };
  await once();
  await once();
  sent.length = 0;
  unsent.length = 0;
  const end = performance.now() + 3_000;
  while (performance.now() < end) await Promise.all(Array.from({ length: 20 }, once));
  // The node that answers is not asked either, but together with a probe.
  expect(unsent.filter((sentNone) => !sentNone).length).toBeLessThan(60);
  const toFrozen = sent.filter((line) => !line.startsWith('2:'));
  // Probes are 100, 200, 400, … ms apart, each with its release, on two nodes.
  expect(toFrozen.length).toBeLessThan(60);
  // Unless it happens to be the next probe.
  const told = /\(Redlock node 1 \(ioredis\): it does not answer; Redlock node 2 \(node-redis\): it does not answer\)/;
  const looked = () => adapter.inspect!(key).then(String, (error: Error) => error.message);
  await until('each node is named once', async () => told.test(await looked()));
  for (const server of rig.servers.slice(0, 2)) server.thaw();
  await until('a lock', async () => (await tried(adapter, key).outcome)?.status === 'granted');
  await adapter.close?.();
});

it('H11, H116: the vote of a node whose connection broke is withdrawn once it is back', async () => {
  const { adapter, queued } = await watched();
  const request = attempt(newName(), { ttlMs: 60_000 });
  await grant(adapter, request);
  await until('all voted', async () => (await rig.votes(request.key)) === 3);
  const proxy = rig.proxies[0]!;
  proxy.refuse();
  proxy.cut();
  await until('the connection is lost', async () => {
    expect(await adapter.release(request)).toMatch(/released|not-held/);
    return true;
  });
  await proxy.heal();
  await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
  expect(queued).toEqual([]);
  await adapter.close?.();
});

it.each([
  ['exclusive', undefined],
  ['shared', { mode: 'shared' }],
  ['permits', { mode: 'permits', permits: 1, limit: 2 }],
] as const)(
  'H11: the vote of a node that is read-only at the release is withdrawn once it writes again (%s)',
  async (_, claim) => {
    const { adapter, sent } = await watched();
    const [request, short] = [60_000, 1_200].map((ttlMs) => attempt(newName(), { ttlMs, claim })) as [
      AcquireAttempt,
      AcquireAttempt,
    ];
    for (const each of [request, short]) {
      await grant(adapter, each);
      await until('all voted', async () => (await rig.votes(each.key)) === 3);
    }
    // Reached by node-redis, which is connected for a moment longer than ioredis when it leaves a replica.
    const [, server] = rig.servers as [RedisServer, RedisServer];
    await server.command('REPLICAOF', '127.0.0.1', '1');
    for (const each of [request, short]) expect(await adapter.release(each)).toBe('released');
    await until('the others are free', async () => (await rig.votes(request.key)) === 1);
    const asked = () => sent.filter((command) => command.includes(short.owner)).length;
    let before = asked();
    await until('it is asked again', () => asked() > before);
    await until('what has expired is asked for no more', async () => {
      before = asked();
      await sleep(2_100);
      return asked() === before;
    });
    expect(await rig.votes(request.key)).toBe(1);
    await server.command('REPLICAOF', 'NO', 'ONE');
    await until('no vote is left', async () => (await rig.votes(request.key)) === 0);
    await adapter.close?.();
  },
);

describe('openRedlock', () => {
  it.each(['ioredis', 'node-redis'] as const)(
    '%s: connects, locks, and closes with nodes stopped and killed',
    async (client) => {
      const { servers } = rig;
      const adapter = await openRedlock({ nodes: servers.map(({ host, port }) => ({ host, port })), client });
      const locks = createLocks(adapter);
      await (await locks.acquire(newName())).release();
      servers[0]!.freeze();
      servers[1]!.freeze();
      await servers[2]!.kill();
      const closing = Promise.race([locks.close().then(() => 'closed'), sleep(15_000)]);
      expect(await closing).toBe('closed');
      await servers[2]!.restart();
    },
  );

  it.each(['ioredis', 'node-redis'] as const)('%s: a node that is none leaves no client open', async (client) => {
    const [{ host, port }] = rig.servers as [(typeof rig.servers)[0]];
    const before = await connections();
    await expect(openRedlock({ nodes: [{ host, port }, null as never], client })).rejects.toMatchObject({
      code: 'LOCK_INVALID_ARGUMENT',
    });
    // By then a client that was left open has connected, and stays.
    await sleep(200);
    await until('none is left', async () => (await connections()).every((id) => before.includes(id)));
  });
});

/** The clients that are connected to the first server, but for the one that asks. Those of the test before may still be leaving. */
async function connections(): Promise<readonly (string | undefined)[]> {
  const list = String(await rig.servers[0]!.command('CLIENT', 'LIST'))
    .trim()
    .split('\n');
  return list.filter((line) => !line.includes('cmd=client')).map((line) => /^id=(\d+) /.exec(line)?.[1]);
}

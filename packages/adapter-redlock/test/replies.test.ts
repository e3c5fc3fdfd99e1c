import { ioredisBinding } from '@holdfast/adapter-ioredis';
import { createLocks } from '@holdfast/lock-core';
import type { RedisClientBinding } from '@holdfast/redis-protocol';
import { Redis } from 'ioredis';
import { createClient, RESP_TYPES } from 'redis';
import { expect, it } from 'vitest';
import { attempt, grant, lockError, newName, until } from '../../redis-protocol/test/support/helpers.ts';
import { redlockAdapter } from '../src/index.ts';
import { scriptReply } from '../src/replies.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();
const nodes = () => rig.servers.slice(0, 3);

const clients: Record<string, () => Promise<{ over: unknown[]; close(): void }>> = {
  'ioredis with stringNumbers': async () => {
    const over = nodes().map(({ host, port }) => new Redis({ host, port, stringNumbers: true }));
    return { over, close: () => over.forEach((client) => void client.disconnect()) };
  },
};
for (const RESP of [2, 3] as const) {
  clients[`node-redis with numbers as texts, RESP ${RESP}`] = async () => {
    const mapping = {
      [RESP_TYPES.NUMBER]: String,
      [RESP_TYPES.BLOB_STRING]: Buffer,
      [RESP_TYPES.SIMPLE_STRING]: Buffer,
    };
    const over = nodes().map(({ host, port }) =>
      createClient({ RESP, socket: { host, port }, commandOptions: { typeMapping: mapping } } as never),
    );
    await Promise.all(over.map((client) => client.connect()));
    return { over, close: () => over.forEach((client) => void client.destroy()) };
  };
}

it.each(Object.keys(clients).flatMap((kind) => [true, false].map((fencing) => [kind, fencing] as const)))(
  'H114: %s, fencing %s: one holder, and every call works',
  async (kind, fencing) => {
    const [one, two] = [await clients[kind]!(), await clients[kind]!()];
    const locks = createLocks(redlockAdapter(one.over as never, { fencing }), { ttlMs: 20_000 });
    const others = createLocks(redlockAdapter(two.over as never, { fencing }), { ttlMs: 20_000 });
    const name = newName();
    const lock = await locks.acquire(name);
    expect(await others.tryAcquire(name)).toBeUndefined();
    expect(await others.inspect(name)).toMatchObject({ key: name });
    await lock.renew();
    const listed: string[] = [];
    for await (const { key } of others.list(name)) listed.push(key);
    expect(listed).toEqual([name]);
    expect(await lock.release()).toBe('released');
    const next = await others.acquire(name);
    if (fencing) expect(next.fencingToken).toBeGreaterThan(lock.fencingToken!);
    expect(await next.release()).toBe('released');
    await Promise.all([locks.close(), others.close()]);
    one.close();
    two.close();
  },
);

it.each([undefined, null, true, {}, 1.5, -1, 'OK', 'low', 'low x', 'yes', [], ['a'], ['a', {}], [1, 'x'], Number.NaN])(
  'H114: the reply %j is an error, never a vote',
  (reply) => {
    expect(() => scriptReply(reply, 'ioredis')).toThrow(lockError('LOCK_BACKEND', { retryable: false }) as Error);
  },
);

it('clients of both libraries are taken as they are, and stay open; anything else is refused', async () => {
  const [first, second, third] = rig.servers;
  const one = new Redis(first!.port, first!.host);
  const two = createClient({ url: second!.url });
  await two.connect();
  const three = new Redis(third!.port, third!.host);
  const adapter = redlockAdapter([one, two, three]);
  await grant(adapter, attempt(newName()));
  await adapter.close?.();
  expect([await one.ping(), await two.ping()]).toEqual(['PONG', 'PONG']);
  one.disconnect();
  three.disconnect();
  two.destroy();
});

it.each([true, false])(
  'H114: a node that answers every request with a number has no vote (fencing: %s)',
  async (fencing) => {
    const number = (reply: number, runId: string): RedisClientBinding => {
      const client = ioredisBinding(new Redis({ host: nodes()[0]!.host, port: nodes()[0]!.port }), {
        ownsClient: true,
      });
      return Object.create(client, {
        call: {
          value: async (command: string, args: readonly string[]) =>
            command === 'info'
              ? `run_id:${runId}\r\nredis_mode:standalone\r\n`
              : client.call(command, args).then(() => reply),
        },
        connectionOf: { value: () => '0' },
      });
    };
    // A script of a vote replies 1 and more, SET none at all.
    const odd = fencing ? [number(0, 'a'), number(0, 'b')] : [number(1, 'a'), number(7, 'b')];
    const adapter = redlockAdapter([...odd, new Redis({ host: nodes()[2]!.host, port: nodes()[2]!.port })], {
      fencing,
    });
    await until('they are connected', async () => odd.every(({ ready }) => ready));
    const outcome = await adapter.tryAcquire(attempt(newName())).catch((error: unknown) => error);
    expect(outcome).toEqual(lockError('LOCK_BACKEND', { message: expect.stringContaining('does not expect') }));
    await adapter.close?.();
    await Promise.all(odd.map((binding) => binding.close()));
  },
);

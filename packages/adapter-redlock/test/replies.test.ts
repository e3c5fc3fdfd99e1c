import { createLocks } from '@holdfast/lock-core';
import { Redis } from 'ioredis';
import { createClient, RESP_TYPES } from 'redis';
import { expect, it } from 'vitest';
import { attempt, grant, lockError, newName } from '../../redis-protocol/test/support/helpers.ts';
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

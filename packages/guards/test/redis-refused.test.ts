import { randomInt } from 'node:crypto';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { Redis } from 'ioredis';
import { createClient, RESP_TYPES } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fencedRedisWrite, type RedisWrite } from '../src/index.ts';

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});
afterAll(async () => {
  client?.disconnect();
  await server?.stop();
});

/** Every key with its content and expiry, to see that nothing has changed. */
async function everything(): Promise<Record<string, unknown>> {
  const keys = (await server.command('KEYS', '*')) as string[];
  const entries = keys.sort().map(async (key) => {
    const dump = await client.dumpBuffer(key);
    return [key, dump?.toString('hex'), (await client.pttl(key)) > 0];
  });
  return Object.fromEntries((await Promise.all(entries)).map(([key, ...rest]) => [key, rest]));
}

/** Deterministic numbers from a seed, below the bound. */
function numbersOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

const foreign = ['hello', '', '-1', '1.5', '0012', '1e3', ' 7', '9223372036854775808', '9'.repeat(40), '5\n'];

describe('a fenced write that Redis refuses', () => {
  it.each(foreign)('rejects on a fence that holds %j: such a fence is neither lower nor higher', async (value) => {
    await client.flushall();
    await client.set('fence', value);
    for (const token of [0n, 6n, 2n ** 63n - 1n]) {
      await expect(fencedRedisWrite(client, 'fence', token, [['SET', 'data', 'x']])).rejects.toThrow(
        /no fencing token/,
      );
    }
    expect([await client.get('fence'), await client.get('data')]).toEqual([value, null]);
  });

  it('leaves fence and data as they were, whichever command of a batch fails', { timeout: 60_000 }, async () => {
    const seed = randomInt(2 ** 31);
    const draw = numbersOf(seed);
    const harmless: readonly RedisWrite[] = [
      ['SET', 'text', 'new'],
      ['APPEND', 'text', 'more'],
      ['DEL', 'text'],
      ['PEXPIRE', 'hash', 60_000],
      ['PERSIST', 'expiring'],
      ['HSET', 'hash', 'field', 'new', 'another', 1],
      ['RPUSH', 'list', 'a', 'b'],
      ['LPOP', 'list'],
      ['SADD', 'absent', 'member'],
      ['XADD', 'stream', '*', 'a', 'b'],
      ['ZADD', 'sorted', 1, 'a'],
    ];
    const failing: readonly RedisWrite[] = [
      ['LPUSH', 'text-only', 'x'],
      ['INCR', 'text-only'],
      ['HSET', 'hash', 'field'],
      ['NOSUCH', 'text'],
      ['SET', 'text', 'x', 'BAD'],
      ['SUBSCRIBE', 'text'],
      ['SADD', 'absent', ...Array.from({ length: 9_000 }, (_, i) => i)],
    ];
    for (let round = 0; round < 120; round++) {
      await client.flushall();
      await client.mset('text', 'old', 'text-only', 'words');
      await client.set('expiring', 'x', 'PX', 100_000);
      await client.hset('hash', 'field', 'old');
      await client.rpush('list', 'one', 'two');
      if (draw(3) > 0) await client.set('fence', String(draw(6)));
      const writes = Array.from({ length: draw(6) }, () => harmless[draw(harmless.length)]!);
      writes.splice(draw(writes.length + 1), 0, failing[draw(failing.length)]!);
      const before = await everything();
      const written = fencedRedisWrite(client, 'fence', 5n, writes);
      const story = `seed ${seed}, round ${round}: ${JSON.stringify(writes).slice(0, 300)}`;
      await expect(written, story).rejects.toThrow(/Nothing was written/);
      expect(await everything(), story).toEqual(before);
    }
  });

  it('needs no permission beyond its command for one command, and DUMP and RESTORE for several', async () => {
    await client.flushall();
    await server.command(
      ...[
        'ACL',
        'SETUSER',
        'writer',
        'on',
        '>pw',
        '~*',
        '+hello',
        '+client',
        '+info',
        '+select',
        '+eval',
        '+get',
        '+set',
      ],
    );
    const writer = new Redis({ host: server.host, port: server.port, username: 'writer', password: 'pw' });
    try {
      expect(await fencedRedisWrite(writer, 'fence', 5n, [['SET', 'data', 'x']])).toBe(true);
      const two: RedisWrite[] = [
        ['SET', 'data', 'y'],
        ['RPUSH', 'log', 'y'],
      ];
      await expect(fencedRedisWrite(writer, 'fence', 6n, two)).rejects.toThrow(/need DUMP, PTTL and RESTORE/);
      expect(await client.mget('fence', 'data', 'log')).toEqual(['5', 'x', null]);

      await server.command('ACL', 'SETUSER', 'writer', '+dump', '+pttl', '+restore');
      await expect(fencedRedisWrite(writer, 'fence', 6n, two)).rejects.toThrow(/rpush|can't run/);
      expect(await client.mget('fence', 'data', 'log')).toEqual(['5', 'x', null]);

      await server.command('ACL', 'SETUSER', 'writer', '+rpush');
      expect(await fencedRedisWrite(writer, 'fence', 6n, two)).toBe(true);
    } finally {
      writer.disconnect();
    }
  });

  it('writes nothing without memory', async () => {
    await client.flushall();
    await client.set('fence', '4');
    await server.command('CONFIG', 'SET', 'maxmemory', '1');
    try {
      const writes: RedisWrite[] = [
        ['DEL', 'fence2'],
        ['SET', 'data', 'x'],
      ];
      await expect(fencedRedisWrite(client, 'fence', 5n, writes)).rejects.toThrow(/OOM/);
      expect(await client.mget('fence', 'data')).toEqual(['4', null]);
    } finally {
      await server.command('CONFIG', 'SET', 'maxmemory', '0');
    }
  });

  it('is refused before anything is sent when a command of a batch changes more than its key', async () => {
    const other: RedisWrite = ['SET', 'a', '1'];
    for (const write of [
      ['MSET', 'a', '1', 'b', '2'],
      ['rename', 'a', 'b'],
      ['DEL', 'a', 'b'],
      ['BLPOP', 'empty', 'full', '0'],
      ['XGROUP', 'CREATE', 'stream', 'group', '$'],
      ['PUBLISH', 'channel', 'written'],
      ['SELECT', '1'],
    ]) {
      await expect(fencedRedisWrite(client, 'fence', 9n, [other, write as never])).rejects.toThrow(/more than the key/);
    }
    for (const write of [
      ['SET', 'fence', '1'],
      ['RENAME', 'data', 'fence'],
      ['DEL', 'data', 'fence'],
      ['FLUSHALL', 'SYNC'],
      ['flushdb', 'ASYNC'],
      ['SWAPDB', '0', '1'],
    ]) {
      await expect(fencedRedisWrite(client, 'fence', 9n, [write as never])).rejects.toThrow(/cannot be written/);
    }
    for (const writes of [null, new Map(), new Set(), 'GET', {}]) {
      await expect(fencedRedisWrite(client, 'unused', 9n, writes as never)).rejects.toThrow(/array of commands/);
    }
    expect(await client.get('unused')).toBeNull();
    for (const argument of [undefined, Buffer.from('x')]) {
      const write = ['SET', 'a', argument] as never;
      await expect(fencedRedisWrite(client, 'fence', 9n, [write])).rejects.toThrow(/strings or numbers/);
    }
  });
});

describe('a large fenced write to Redis', () => {
  it('takes as many commands as are needed for more arguments than one script call passes on', async () => {
    await client.flushall();
    const writes = Array.from({ length: 30 }, (_, part): RedisWrite => {
      return ['SADD', 'large', ...Array.from({ length: 7_000 }, (_, i) => `${part}-${i}`)];
    });
    expect(await fencedRedisWrite(client, 'fence', 5n, writes)).toBe(true);
    expect(await client.scard('large')).toBe(210_000);
  });

  it.each([7_900, 7_990, 8_000, 8_010, 20_000])(
    'of one command with %i arguments is written wholly or not at all',
    async (count) => {
      await client.flushall();
      const write: RedisWrite = ['SADD', 'large', ...Array.from({ length: count }, (_, i) => i)];
      const written = await fencedRedisWrite(client, 'fence', 5n, [['SET', 'first', '1'], write]).catch(
        (error) => error,
      );
      const all = [await client.get('fence'), await client.get('first'), await client.scard('large')];
      expect(all).toEqual(written === true ? ['5', '1', count] : [null, null, 0]);
      if (written !== true) expect(String(written)).toMatch(/more arguments than a script can pass on/);
    },
  );
});

describe('the answer to a fenced write is data (H114)', () => {
  it.each(['stringNumbers', 'String', 'Buffer-less BigInt'])('with numbers as %s', async (kind) => {
    await client.flushall();
    const one = kind === 'stringNumbers' ? new Redis(server.url, { stringNumbers: true }) : undefined;
    const other = await createClient({
      url: server.url,
      RESP: 3,
      commandOptions: { typeMapping: { [RESP_TYPES.NUMBER]: kind === 'String' ? String : BigInt } },
    } as never).connect();
    const writer = (one ?? other) as never;
    try {
      expect(await fencedRedisWrite(writer, 'fence', 5n, [['SET', 'a', '1']])).toBe(true);
      expect(await fencedRedisWrite(writer, 'fence', 4n, [['SET', 'a', '2']])).toBe(false);
      expect(await client.get('a')).toBe('1');
    } finally {
      one?.disconnect();
      other.destroy();
    }
  });

  it('is an error when it is neither yes nor no, never "overtaken"', async () => {
    const odd = { eval: async () => undefined };
    await expect(fencedRedisWrite(odd, 'fence', 5n, [])).rejects.toThrow(/expected 0 or 1/);
  });
});

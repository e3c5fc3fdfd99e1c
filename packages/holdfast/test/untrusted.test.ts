import { openEtcd } from '@holdfast/adapter-etcd';
import { openNodeRedis } from '@holdfast/adapter-node-redis';
import { openRedlock } from '@holdfast/adapter-redlock';
import { openZookeeper } from '@holdfast/adapter-zookeeper';
import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import type { RedisServer } from '@holdfast/testbed';
import { startEtcd, startRedis, startRedisNodes, startZookeeper } from '@holdfast/testbed';
import { Etcd3 } from 'etcd3';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { zookeeperTree } from './zookeeper-tree.ts';

/** One kind of server, and what is in it beside the locks. */
interface Backend {
  readonly name: string;
  start(): Promise<Started>;
}
interface Started extends AsyncDisposable {
  readonly adapter: LockAdapter;
  /** What stands on the server near the locks, and must stay as it is. */
  readonly others: Readonly<Record<string, string>>;
  /** Whether a name on the server is one of locks. */
  isOurs(name: string): boolean;
  /** All that is on the server: names and values. */
  everything(): Promise<ReadonlyMap<string, string>>;
}

const isRedisLock = (name: string): boolean => /^(lock|fence):/.test(name);
const redisOthers = { canary: 'alive', lock: 'alive', 'lock-': 'alive', fence: 'alive', 'fence;': 'alive' };

async function redisContent(server: RedisServer): Promise<[string, string][]> {
  const names = (await server.command('KEYS', '*')) as string[];
  return Promise.all(
    names.map(async (name) => [name, isRedisLock(name) ? '' : String(await server.command('GET', name))] as const),
  ) as Promise<[string, string][]>;
}

async function plantInRedis(server: RedisServer): Promise<void> {
  for (const [name, value] of Object.entries(redisOthers)) await server.command('SET', name, value);
}

const backends: readonly Backend[] = [
  {
    name: 'Redis, node-redis',
    async start() {
      const server = await startRedis();
      await plantInRedis(server);
      const adapter = openNodeRedis({ kind: 'single', nodes: [server] });
      return {
        adapter,
        others: redisOthers,
        isOurs: isRedisLock,
        everything: async () => new Map(await redisContent(server)),
        async [Symbol.asyncDispose]() {
          await adapter.close?.();
          await server.stop();
        },
      };
    },
  },
  {
    name: 'Redlock',
    async start() {
      const group = await startRedisNodes(3);
      for (const node of group.nodes) await plantInRedis(node);
      const adapter = await openRedlock({ nodes: group.nodes, client: 'node-redis' });
      const numbered = Object.entries(redisOthers).flatMap(([name, value]) =>
        group.nodes.map((_, i) => [`${i} ${name}`, value] as const),
      );
      return {
        adapter,
        others: Object.fromEntries(numbered),
        isOurs: (name) => isRedisLock(name.slice(2)),
        async everything() {
          const contents = await Promise.all(group.nodes.map(redisContent));
          return new Map(contents.flatMap((each, i) => each.map(([name, value]) => [`${i} ${name}`, value] as const)));
        },
        async [Symbol.asyncDispose]() {
          await adapter.close?.();
          await group.stop();
        },
      };
    },
  },
  {
    name: 'etcd',
    async start() {
      const server = await startEtcd();
      const client = new Etcd3({ hosts: `${server.host}:${server.port}` });
      const others = { canary: 'alive', locks: 'alive', 'locks.': 'alive', locks0: 'alive', 'lock/a': 'alive' };
      for (const [name, value] of Object.entries(others)) await client.put(name).value(value);
      const adapter = openEtcd({ hosts: [`${server.host}:${server.port}`] });
      return {
        adapter,
        others,
        isOurs: (name) => name.startsWith('locks/'),
        everything: async () => new Map(Object.entries(await client.getAll().strings())),
        async [Symbol.asyncDispose]() {
          await adapter.close?.();
          client.close();
          await server.stop();
        },
      };
    },
  },
  {
    name: 'ZooKeeper',
    async start() {
      const server = await startZookeeper();
      const tree = await zookeeperTree(`${server.host}:${server.port}`);
      const others = { '/canary': 'alive', '/locks-': 'alive', '/lock': 'alive', '/locks0': 'alive' };
      for (const [path, value] of Object.entries(others)) await tree.create(path, value);
      const adapter = openZookeeper({ servers: `${server.host}:${server.port}` });
      return {
        adapter,
        others,
        isOurs: (path) => path === '/locks' || path.startsWith('/locks/'),
        everything: () => tree.read(),
        async [Symbol.asyncDispose]() {
          await adapter.close?.();
          tree.close();
          await server.stop();
        },
      };
    },
  },
];

// Of paths, ranges, patterns, protocols, hash tags, scripts, and our own names: far nearer to trouble than random text.
const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '//',
    '.',
    '..',
    '/../',
    '../canary',
    '%2F',
    '%2E',
    '%25',
    '%',
    '0',
    '{',
    '}',
    '{}',
    '*',
    '?',
    '[a]',
  ),
  fc.constantFrom(
    '\\',
    '\0',
    '\r\n',
    '\u0001',
    '\u007f',
    '\u009f',
    '\ufeff',
    '\uffff',
    '\u2028',
    'é',
    'e\u0301',
    '💥',
    ' ',
    ':',
  ),
  fc.constantFrom(
    'lock:',
    'fence:',
    'locks/',
    '/locks/',
    '_c_',
    '-lock-',
    '-lock-0000000001',
    ':1',
    'a',
    'canary',
    '__proto__',
  ),
  fc.constantFrom("'); redis.call('FLUSHALL') --", '\r\nDEL canary\r\n', ']]'),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 4 }),
);
const text = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
const names = fc.uniqueArray(text, { minLength: 2, maxLength: 5 });

// What is so near to trouble that it is always tried, however little time there is.
const examples: [string[], string[]][] = [
  [
    ['.', '..', '%2E', '%2E%2E', '...'],
    ['..', '.'],
  ],
  [
    ['/', '//', '%2F', '%252F', '%'],
    ['a', 'a/'],
  ],
  [
    ['{}', '{a}', '}', '{', '%7D'],
    ['*', '?'],
  ],
  [
    ['\0', '\u0001', '\r\n', '\u009f', ' '],
    ['\0', '\n'],
  ],
];

// Cut in the middle of a character. TypeScript's library has the method from ES2024 on.
const isHalfCharacter = (words: string): boolean => !(words as string & { isWellFormed(): boolean }).isWellFormed();

for (const { name, start } of backends) {
  it(`H4, H86: ${name}: keys and owners from whoever stay apart, are compared whole, and reach nothing else`, {
    timeout: 180_000,
  }, async () => {
    await using backend = await start();
    const { adapter, others, isOurs } = backend;
    const signal = new AbortController().signal;
    const ask = (key: string, owner: string) => adapter.tryAcquire({ key, owner, ttlMs: 60_000, tokens: 1, signal });
    const untouched = async (): Promise<void> => {
      const all = await backend.everything();
      expect(Object.fromEntries([...all].filter(([each]) => !isOurs(each)))).toEqual(others);
    };
    await untouched();

    let round = 0;
    const enoughAt = performance.now() + 5_000;
    await fc.assert(
      fc.asyncProperty(names, names, async (keys, owners) => {
        if (round > 0 && performance.now() > enoughAt) return;
        round += 1;
        // An owner value is used once; what came from outside is in it whole.
        const ownerOf = (index: number): string => `${owners[index % owners.length]!}${round}.${index}`;
        for (const [index, key] of keys.entries()) {
          const { status } = await ask(key, ownerOf(index));
          expect(`${JSON.stringify(key)} ${status}`).toBe(`${JSON.stringify(key)} granted`);
        }
        for (const [index, key] of keys.entries()) {
          const own = ownerOf(index);
          expect(await adapter.inspect?.(key)).toMatchObject({ key, owner: own });
          for (const other of [`${own}x`, own.slice(1), `${own}/`, own.split('.')[0]!]) {
            if (isHalfCharacter(other)) continue;
            expect(await ask(key, other)).toMatchObject({ status: 'busy' });
            expect(await adapter.renew({ key, owner: other }, 60_000)).toEqual({ status: 'lost' });
            expect(await adapter.release({ key, owner: other })).toBe('not-held');
          }
        }
        const listed: string[] = [];
        for await (const info of createLocks(adapter).list('*')) listed.push(info.key);
        expect(listed.sort()).toEqual([...keys].sort());

        const [first, ...rest] = keys;
        expect(await adapter.forceRelease?.(first!)).toBe(true);
        expect(await adapter.inspect?.(first!)).toBeUndefined();
        for (const [index, key] of rest.entries()) {
          expect(await adapter.inspect?.(key)).toMatchObject({ owner: ownerOf(index + 1) });
          expect(await adapter.release({ key, owner: ownerOf(index + 1) })).toBe('released');
        }
        await untouched();
      }),
      { numRuns: 200, examples },
    );

    // An owner that is no text is refused, or compared as another one; it is no error that nobody catches.
    const half = await ask('half', '\ud83d').catch((error: unknown) => error);
    expect(half instanceof Error || (half as { status: string }).status === 'granted').toBe(true);

    // What is no text has no key of its own on any server, so it is refused before it gets there.
    const locks = createLocks(adapter);
    const before = await backend.everything();
    for (const key of ['\ud800', 'a\udc00', '\udc00\ud800', '']) {
      await expect(locks.tryAcquire(key)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    }
    expect([...(await backend.everything()).keys()].sort()).toEqual([...before.keys()].sort());
  });
}

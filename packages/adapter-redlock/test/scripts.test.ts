import { ioredisBinding } from '@holdfast/adapter-ioredis';
import type { Claim } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newName } from '../../redis-protocol/test/support/helpers.ts';
import { createCircuitBreaker } from '../src/circuit-breaker.ts';
import type { Vote } from '../src/protocol/node.ts';
import { RedisNode } from '../src/redis-node.ts';
import { createServerIdentities } from '../src/server-identity.ts';
import { createVoteStore } from './model/store.ts';

let server: RedisServer;
let client: Redis;
let nodeOf: (fencing: boolean) => RedisNode;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis({ host: server.host, port: server.port });
  await client.ping();
  const now = () => performance.now();
  const breaker = createCircuitBreaker(now, 60_000);
  const binding = ioredisBinding(client);
  const identities = createServerIdentities([binding], [breaker], now, 'lock:');
  await identities.check(0);
  nodeOf = (fencing) =>
    new RedisNode({ client: binding, index: 0, prefix: 'lock:', fencing, breaker, identities, listens: () => false });
});
afterAll(async () => {
  client?.disconnect();
  await server?.stop();
});

const owner = fc.constantFrom('a', 'a:1', 'ab', '');
const token = fc.integer({ min: 1, max: 12 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('vote' as const),
      owner,
      first: token,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  fc.record({ kind: fc.constantFrom('renew' as const, 'extend' as const, 'release' as const), owner, first: token }),
  fc.record({ kind: fc.constant('withdraw' as const), owner, first: fc.option(token, { nil: undefined }) }),
  fc.record({ kind: fc.constant('expire' as const), owner }),
);

/** The simulated node behaves like the scripts on a server. */
it.each([
  ['with', true],
  ['without', false],
])('%s tokens the commands do what the simulated nodes do, for any sequence of requests', async (_, fencing) => {
  const node = nodeOf(fencing);
  const ttlMs = 600_000;
  const answered = <T>(ask: (answer: (result: T | undefined, error?: unknown) => void) => boolean) =>
    new Promise<T | undefined>((resolve, reject) => {
      if (!ask((result, error) => (error === undefined ? resolve(result) : reject(error))))
        reject(new Error('not sent'));
    });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const key = newName();
      const model = createVoteStore(() => 0, { forgetsToken: !fencing });
      for (const request of steps) {
        const vote = { key, owner: request.owner, first: ('first' in request && request.first) || 0 };
        if (request.kind === 'vote') {
          const ballot = { ...vote, last: request.first + request.count - 1, ttlMs };
          const said = await new Promise<Vote>((resolve) => {
            expect(node.vote(ballot, resolve)).toBeUndefined();
          });
          const expected = model.vote(ballot);
          if (expected.kind === 'held') expect(said).toMatchObject({ kind: 'held', holder: expected.holder });
          else expect(said).toEqual(expected);
        } else if (request.kind === 'renew') {
          const renewed = await answered<readonly boolean[]>((answer) => node.renew([vote], ttlMs, answer));
          expect(renewed).toEqual([model.renew(vote, ttlMs)]);
        } else if (request.kind === 'extend') {
          const extended = await answered<readonly boolean[]>((answer) => node.extend(vote, ttlMs, answer));
          expect(extended).toEqual([model.extend(vote, ttlMs)]);
        } else if (request.kind === 'release') {
          node.release(vote);
          // Requests of one turn go out at its end.
          await new Promise((resolve) => setImmediate(resolve));
          model.release(vote);
          expect(await node.single.inspect?.(key)).toEqual(
            model.standing === undefined ? undefined : expect.objectContaining({ owner: model.standing }),
          );
        } else if (request.kind === 'withdraw') {
          const freed = await answered<boolean>((answer) =>
            node.withdraw({ key, owner: request.owner, first: request.first }, true, answer),
          );
          expect(freed).toBe(model.withdraw(request.owner));
        } else {
          // As if the time were over.
          await client.del(`lock:${key}`);
          model.lapse();
        }
      }
    }),
    { numRuns: 300 },
  );
});

const claims: readonly Claim[] = [
  { mode: 'exclusive' },
  { mode: 'shared' },
  { mode: 'permits', permits: 1, limit: 3 },
  { mode: 'permits', permits: 2, limit: 3 },
];
// What one owner asks for is always the same.
const claimOf = (name: string): Claim => claims[['a', 'a:1', 'ab', ''].indexOf(name)]!;

it('readers and permits: the commands do what the simulated nodes do, for any sequence of requests', async () => {
  const node = nodeOf(true);
  const ttlMs = 600_000;
  const withdrawn = (key: string, name: string): Promise<boolean | undefined> =>
    new Promise((resolve) => {
      node.withdraw({ key, owner: name, claim: 'any', first: undefined }, true, resolve);
    });
  const among = fc.constantFrom(['a', 'a:1', 'a:1x'], ['ab', '', 'abx']);
  const deed = fc.record({
    kind: fc.constantFrom('vote', 'vote', 'vote', 'renew', 'extend', 'release', 'withdraw'),
    who: fc.nat(3),
    first: token,
  });
  await fc.assert(
    fc.asyncProperty(among, fc.array(deed, { maxLength: 25 }), async (names, steps) => {
      const key = newName();
      const model = createVoteStore(() => 0);
      for (const { kind, who, first } of steps) {
        const name = names[who % names.length]!;
        const claim = claimOf(name.replace('x', ''));
        const vote = { key, owner: name, claim, first };
        if (kind === 'vote') {
          const last = claim.mode === 'shared' ? 0 : first;
          const expected = model.vote({ ...vote, last, ttlMs });
          const said = await new Promise<Vote>((resolve) => node.vote({ ...vote, last, ttlMs }, resolve));
          expect(said.kind).toBe(expected.kind);
          if (expected.kind === 'yes') expect(said).toMatchObject(expected);
        } else if (kind === 'withdraw') {
          expect(await withdrawn(key, name)).toBe(model.withdraw(name));
        } else if (kind === 'release') {
          node.release(vote);
          model.release(vote);
        } else if (claim.mode !== 'exclusive') {
          const ask = kind === 'renew' ? node.renew.bind(node, [vote], ttlMs) : node.extend.bind(node, vote, ttlMs);
          const done = await new Promise<readonly boolean[] | undefined>((resolve) => ask(resolve));
          expect(done).toEqual([model[kind as 'renew' | 'extend'](vote, ttlMs)]);
        }
      }
    }),
    { numRuns: 150 },
  );
});

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { scripts } from '../../../redis-protocol/src/scripts.ts';
import type { Random } from '../../src/random.ts';

const packages = fileURLToPath(new URL('../../../', import.meta.url));
const script = (path: string): string => readFileSync(packages + path, 'latin1');

const redlock = 'adapter-redlock/src/lua';

/** Like all leases here, too long to end during the test, for it would not end on both servers at the same moment. */
const withLongLeases = (source: string): string =>
  source.replace('waiterLease, reservation = 4000, 3000', 'waiterLease, reservation = 4000000, 3000000');

/** The shipped scripts. */
export const shipped: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(scripts).map(([name, { source }]) => [name, withLongLeases(source)])),
  votes: script(`${redlock}/votes.lua`),
  rollback: script(`${redlock}/rollback-vote.lua`),
};

/** One thing to do, on the model and on the real server; `sleep` lets what is due expire. */
export type Operation = readonly string[] | { readonly sleepMs: number };

export const shaOf = (source: string): string => createHash('sha1').update(source, 'latin1').digest('hex');

const owners = ['ann', 'ann:7', 'bob', 'bob:1700000000000000', '', 'cyd', 'dan'];
const commands = [
  'SET',
  'SET',
  'GET',
  'DEL',
  'PEXPIRE',
  'PTTL',
  'EXISTS',
  'RPUSH',
  'TYPE',
  'PUBSUB',
  'SCAN',
  'PUBLISH',
  'SCRIPT',
  'ZADD',
  'ZREM',
  'ZSCORE',
  'ZRANGEBYSCORE',
  'ZREVRANGEBYSCORE',
  'ZCOUNT',
  'HSET',
  'HGET',
  'HDEL',
  'NOPE',
];

/** Draws the next operations: mostly one, two where something is to expire. */
export function drawOperations(random: Random): Operation[] {
  const key = `{k${random.int(1, 3)}}`;
  const fence = `fence:${key}`;
  const owner = random.pick(owners);
  if (random.chance(0.55)) return withSleep(random, drawScript(random, key, fence, owner));
  return withSleep(
    random,
    drawCommand(random, random.pick([key, key, fence, `fence:queue:${key}`, `fence:places:${key}`]), owner),
  );
}

function withSleep(random: Random, operation: readonly string[]): Operation[] {
  return operation.includes('2') || random.chance(0.002) ? [operation, { sleepMs: 6 }] : [operation];
}

/** Long enough not to end during the test, or so short that a sleep ends it. */
const drawTtl = (random: Random): string => (random.chance(1 / 6) ? '2' : drawLongTtl(random));
/** For a waiter: when it is granted the lock, no sleep follows. */
const drawLongTtl = (random: Random): string =>
  random.pick(['900000', '3600000', '400000000', '9000000000000', '700001']);

function drawScript(random: Random, key: string, fence: string, owner: string): string[] {
  const ttl = drawTtl(random);
  const isByHash = random.chance(0.15);
  const evaluate = (name: string, keys: string[], args: string[]): string[] => [
    ...(isByHash ? ['EVALSHA', shaOf(shipped[name]!)] : ['EVAL', shipped[name]!]),
    String(keys.length),
    ...keys,
    ...args,
  ];
  const own = String(random.int(0, 1));
  const tokens = random.chance(0.8) ? [fence] : [];
  const queue = `fence:queue:${key}`;
  const all = [key, queue, `fence:places:${key}`, ...tokens];
  switch (
    random.pick([
      ...['acquire', 'acquire', 'acquire', 'acquire', 'inspect', 'release', 'release', 'release', 'beat', 'beat'],
      ...['downgrade', 'renew', 'renewShared', 'votes', 'votes', 'rollback'],
    ])
  ) {
    case 'acquire': {
      const shape = random.pick([
        'usual',
        'usual',
        'exclusive',
        'exclusive',
        'exclusive',
        'any',
        'any',
        'past the queue',
      ]);
      if (shape === 'usual') return evaluate('acquire', [key, queue, ...tokens], [owner, ttl]);
      if (shape === 'past the queue') {
        return evaluate('acquire', [key, ...tokens], [owner, ttl, random.pick(['1', '65']), '', 'PUBLISH']);
      }
      const request = [...drawRequest(random), ...(shape === 'any' ? drawClaim(random) : [])];
      return evaluate('acquire', all, [owner, request[1] === '' ? ttl : drawLongTtl(random), ...request]);
    }
    case 'beat': {
      const places = Array.from({ length: random.int(1, 3) }, () => [
        ...[
          '1',
          random.pick(owners),
          drawLongTtl(random),
          random.pick(['1', '65']),
          random.pick(['1700000000000000', '1600000000000000']),
        ],
        ...drawClaim(random),
      ]);
      return evaluate('beat', all, ['PUBLISH', String(all.length), ...places.flat()]);
    }
    case 'downgrade':
      return evaluate('downgrade', all, [owner, ttl, 'PUBLISH']);
    case 'inspect':
      return evaluate('inspect', random.pick([all, all, all, [key], [key, fence]]), []);
    case 'release':
      return evaluate('release', random.pick([all, all, all, all, all, all, [key, queue], [key, queue], [key]]), [
        owner,
        ...random.pick([[], ['PUBLISH'], ['NOSUCH'], ['']]),
      ]);
    case 'renew': {
      const keys = Array.from({ length: random.int(1, 4) }, () => `{k${random.int(1, 3)}}`);
      return evaluate('renew', keys, [ttl, JSON.stringify(keys.map(() => random.pick(owners)))]);
    }
    case 'renewShared':
      return evaluate('renewShared', all.slice(0, 3), [ttl, JSON.stringify([random.pick(owners)])]);
    case 'votes': {
      const requests = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => drawVote(random, owner, ttl));
      return evaluate(
        'votes',
        requests.flatMap(() => [key, fence]),
        requests.flat(),
      );
    }
    default:
      return evaluate('rollback', [key], [random.pick(owners), own]);
  }
}

/** Tokens, place, and how others are told. */
const drawRequest = (random: Random): string[] => [
  random.pick(['1', '1', '65', '1001']),
  random.pick(['', '0', '0', '0', '1700000000000000']),
  'PUBLISH',
];

const drawClaim = (random: Random): string[] =>
  random.pick([
    ['x', '1', '0'],
    ['x', '1', '0'],
    ['s', '1', '0'],
    ['s', '1', '0'],
    ['p', '1', '2'],
    ['p', '2', '3'],
    ['p', '1', '3'],
  ]);

function drawVote(random: Random, owner: string, ttl: string): string[] {
  const first = random.pick(['7', '1700000000000000', '1900000000000000', '9007199254740990']);
  const last = random.chance(0.8) ? first : '';
  return [owner, first, last, random.pick([ttl, ttl, 'round', 'owner']), random.pick(['', '0', '1'])];
}

function drawCommand(random: Random, key: string, owner: string): string[] {
  const name = random.pick(commands);
  switch (name) {
    case 'SET':
      return [
        'SET',
        key,
        random.pick([owner, '7', '1700000000000000 1', '1900000000000000 65', 'x y']),
        ...drawSetOptions(random),
      ];
    case 'PEXPIRE':
      return ['PEXPIRE', key, random.pick([drawTtl(random), '0', '-5', 'soon'])];
    case 'RPUSH':
      return ['RPUSH', key, 'item'];
    case 'PUBSUB':
      return ['PUBSUB', random.pick(['NUMSUB', 'numsub', 'NOSUCH']), key];
    case 'PUBLISH':
      return ['PUBLISH', key, ''];
    case 'SCAN':
      return [
        'SCAN',
        '0',
        'MATCH',
        random.pick(['*', 'fence:*', '{k?}', '{k?', '\\{k1\\}']),
        'COUNT',
        '1000',
        ...(random.chance(0.5) ? ['TYPE', 'string'] : []),
      ];
    case 'SCRIPT': {
      const known = shipped[random.pick(Object.keys(shipped))]!;
      return random.pick([
        ['SCRIPT', 'FLUSH'],
        ['SCRIPT', 'LOAD', known],
        ['SCRIPT', 'EXISTS', shaOf(known), 'f'.repeat(40)],
      ]);
    }
    case 'NOPE':
      return random.pick([
        ['NOPE', 'a', 'b'],
        ['EVALSHA', 'f'.repeat(40), '0'],
        ['GET'],
        ['SET', 'a'],
        ['EVAL', 'return 1', '2', 'a'],
        ['DEL'],
      ]);
    case 'ZADD':
      return ['ZADD', key, random.pick(['1', '1.5', '1700000000000000', 'high']), owner];
    case 'ZREM':
    case 'ZSCORE':
    case 'HGET':
    case 'HDEL':
      return [name, key, owner];
    case 'HSET':
      return ['HSET', key, owner, random.pick(['1', 'x', '9000000000000 900000 1 s 1 0'])];
    case 'ZCOUNT':
      return ['ZCOUNT', key, ...drawRange(random)];
    case 'ZRANGEBYSCORE':
    case 'ZREVRANGEBYSCORE': {
      const range = drawRange(random);
      const limits = hasOrder(range)
        ? [random.pick(['0', '0', '1', '2']), random.pick(['0', '1', '2', '-1'])]
        : ['0', random.pick(['900', '-1'])];
      return [
        name,
        key,
        ...(name === 'ZRANGEBYSCORE' ? range : range.reverse()),
        ...(random.chance(0.5) ? ['WITHSCORES'] : []),
        ...(random.chance(0.5) ? ['LIMIT', ...limits] : []),
      ];
    }
    default:
      return [name, key];
  }
}

const tickets = '100000000000000';

/** Whether what is in a range is in the same order on both servers: leases that end in one ms on one may not on the other. */
export const hasOrder = (range: readonly string[]): boolean => range.includes(tickets);

const drawRange = (random: Random): string[] => [
  random.pick(['-inf', '(1', tickets, tickets, 'low']),
  random.pick(['+inf', '(100000000000000', '1700000000000000', '2']),
];

function drawSetOptions(random: Random): string[] {
  return [
    ...(random.chance(0.3) ? [random.pick(['NX', 'XX', 'nx'])] : []),
    ...(random.chance(0.4)
      ? ['PX', random.pick([drawTtl(random), '0', 'abc'])]
      : random.chance(0.3)
        ? ['KEEPTTL']
        : []),
    ...(random.chance(0.3) ? ['GET'] : []),
    ...(random.chance(0.02) ? ['WHAT'] : []),
  ];
}

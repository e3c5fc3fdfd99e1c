import type { Capabilities, LockAdapter } from '@holdfast/lock-core';

/** Sends one command to one server. */
export type Send = (...command: (string | number)[]) => Promise<unknown>;

/** A lock as tutorials teach it, on real Redis servers. */
export interface RedisMutant {
  readonly bug: string;
  readonly seenIn: string;
  /** How many independent servers. */
  readonly servers: 1 | 3;
  readonly caughtBy: readonly [string, ...string[]];
  readonly message: RegExp;
  /** What the adapter of one client does wrong. */
  adapter(right: LockAdapter, sends: readonly Send[], client: number): Partial<LockAdapter>;
}

export const redisCapabilities: Capabilities = {
  fencing: false,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'poll',
  survivesFailover: false,
  crossProcess: true,
  ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
};

const TAKE = `local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
const RENEW = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;
const RELEASE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`;
/** Whoever finds no guard enters; the guard is never set. */
const ENTER_HASH = `if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1`;

const majorityOf = (sends: readonly Send[]): number => Math.floor(sends.length / 2) + 1;
const granted = (ttlMs: number) => ({ status: 'granted', validForMs: ttlMs }) as const;

/** A right lock on one server, or on the majority of several; all are asked at once, and in one order. */
export function redisAdapter(sends: readonly Send[]): LockAdapter {
  const votes = async (script: string, key: string, ...args: (string | number)[]): Promise<boolean> => {
    const answers = await Promise.all(sends.map((send) => send('EVAL', script, 1, key, ...args)));
    return answers.filter((answer) => answer === 1).length >= majorityOf(sends);
  };
  return {
    name: 'redis',
    capabilities: redisCapabilities,
    async tryAcquire({ key, owner, ttlMs }) {
      if (await votes(TAKE, key, owner, ttlMs)) return granted(ttlMs);
      if (sends.length > 1) await votes(RELEASE, key, owner);
      return { status: 'busy' };
    },
    renew: async ({ key, owner }, ttlMs) =>
      (await votes(RENEW, key, owner, ttlMs)) ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' },
    release: async ({ key, owner }) => ((await votes(RELEASE, key, owner)) ? 'released' : 'not-held'),
  };
}

export const redisMutants: readonly RedisMutant[] = [
  {
    bug: 'SETNX, and its client dies before the EXPIRE',
    seenIn: 'H2, tutorials',
    servers: 1,
    caughtBy: ['LK-0012', 'LK-0061'],
    message: /Not within .* a free key is granted/,
    adapter: (_, [send]) => ({
      tryAcquire: async ({ key, owner, ttlMs }) =>
        (await send!('SETNX', key, owner)) === 1 ? granted(ttlMs) : { status: 'busy' },
    }),
  },
  {
    bug: 'EXPIRE before the answer of SETNX was looked at',
    seenIn: 'H2, tutorials',
    servers: 1,
    caughtBy: ['LK-0012', 'LK-0018'],
    message: /Not within .* a free key is granted/,
    adapter: (_, [send]) => ({
      async tryAcquire({ key, owner, ttlMs }) {
        const set = await send!('SETNX', key, owner);
        await send!('PEXPIRE', key, ttlMs);
        return set === 1 ? granted(ttlMs) : { status: 'busy' };
      },
    }),
  },
  {
    bug: 'SETNX, then EXPIRE in whole seconds, rounded down: half a second is none',
    seenIn: 'H82, tutorials',
    servers: 1,
    caughtBy: ['LK-0012', 'LK-0018'],
    message: /before the lease could have ended/,
    adapter: (_, [send]) => ({
      async tryAcquire({ key, owner, ttlMs }) {
        if ((await send!('SETNX', key, owner)) !== 1) return { status: 'busy' };
        await send!('EXPIRE', key, Math.floor(ttlMs / 1_000));
        return granted(ttlMs);
      },
    }),
  },
  {
    bug: 'SETNX with one value for everybody, so that the look before the DEL sees no difference',
    seenIn: 'H3, tutorials',
    servers: 1,
    caughtBy: ['LK-0014', 'LK-0021', 'LK-0030'],
    message: /could release it/,
    adapter: (right, [send]) => ({
      tryAcquire: async ({ key, ttlMs }) =>
        (await send!('SET', key, 'locked', 'PX', ttlMs, 'NX')) === 'OK' ? granted(ttlMs) : { status: 'busy' },
      renew: (hold, ttlMs) => right.renew({ ...hold, owner: 'locked' }, ttlMs),
      release: (hold) => right.release({ ...hold, owner: 'locked' }),
    }),
  },
  {
    bug: 'DEL without a look at the owner',
    seenIn: 'H1, tutorials',
    servers: 1,
    caughtBy: ['LK-0014', 'LK-0021', 'LK-0030'],
    message: /could release it/,
    adapter: (_, [send]) => ({
      release: async ({ key }) => ((await send!('DEL', key)) === 1 ? 'released' : 'not-held'),
    }),
  },
  {
    bug: 'PEXPIRE without a look at the owner',
    seenIn: 'H5',
    servers: 1,
    caughtBy: ['LK-0013', 'LK-0021', 'LK-0022'],
    message: /could renew it/,
    adapter: (_, [send]) => ({
      renew: async ({ key }, ttlMs) =>
        (await send!('PEXPIRE', key, ttlMs)) === 1 ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' },
    }),
  },
  {
    bug: 'GET, then SET',
    seenIn: 'H84, tutorials',
    servers: 1,
    caughtBy: ['LK-0007'],
    message: /hold one key at the same time/,
    adapter: (_, [send]) => ({
      async tryAcquire({ key, owner, ttlMs }) {
        const holder = await send!('GET', key);
        if (holder !== null && holder !== owner) return { status: 'busy' };
        await send!('SET', key, owner, 'PX', ttlMs);
        return granted(ttlMs);
      },
    }),
  },
  {
    bug: 'a reentrant hash beside a guard key that nobody ever sets',
    seenIn: 'tutorials',
    servers: 1,
    caughtBy: ['LK-0006', 'LK-0007'],
    message: /must be told "busy"/,
    adapter: (_, [send]) => ({
      tryAcquire: async ({ key, owner, ttlMs }) =>
        (await send!('EVAL', ENTER_HASH, 2, `${key}:guard`, key, owner, ttlMs)) === 1
          ? granted(ttlMs)
          : { status: 'busy' },
      release: async ({ key, owner }) => ((await send!('HDEL', key, owner)) === 1 ? 'released' : 'not-held'),
      renew: async ({ key }, ttlMs) =>
        (await send!('PEXPIRE', key, ttlMs)) === 1 ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' },
    }),
  },
  {
    bug: 'Redlock asks for the lock again in order to release it',
    seenIn: 'tutorials',
    servers: 3,
    caughtBy: ['LK-0017', 'LK-0031'],
    message: /expired hold was released/,
    adapter: (right) => ({
      async release(hold) {
        const again = await right.tryAcquire({
          ...hold,
          ttlMs: 60_000,
          tokens: 1,
          signal: new AbortController().signal,
        });
        return again.status === 'busy' ? 'not-held' : right.release(hold);
      },
    }),
  },
  {
    bug: 'Redlock is content with the first vote',
    seenIn: 'H30',
    servers: 3,
    caughtBy: ['LK-0007'],
    message: /hold one key at the same time/,
    adapter: (_, sends, client) => ({
      async tryAcquire({ key, owner, ttlMs }) {
        // Each client asks the server first that is near to it.
        for (let i = 0; i < sends.length; i++) {
          const send = sends[(client + i) % sends.length]!;
          if ((await send('EVAL', TAKE, 1, key, owner, ttlMs)) === 1) return granted(ttlMs);
        }
        return { status: 'busy' };
      },
      async release({ key, owner }) {
        const answers = await Promise.all(sends.map((send) => send('EVAL', RELEASE, 1, key, owner)));
        return answers.includes(1) ? 'released' : 'not-held';
      },
    }),
  },
];

import { insert, liveRow, now } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

/** The clock of each client is this much ahead of that of the client before it. */
const AHEAD_MS = 30;
const MOST_ROWS = 256;

/** Bugs in asking for a lock. */
export const takingMutants: readonly Mutant[] = [
  {
    bug: 'SETNX, and the EXPIRE that should follow never comes',
    seenIn: 'H2, tutorials',
    base: 'table',
    caughtBy: ['LK-0012', 'LK-0061'],
    message: /Not within .* a free key is granted/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') rows.get(attempt.key)!.expiresAt = Number.POSITIVE_INFINITY;
        return outcome;
      },
    }),
  },
  {
    bug: 'EXPIRE before the answer of SETNX was looked at: whoever asks keeps the lock of a dead holder alive',
    seenIn: 'H2, tutorials',
    base: 'table',
    caughtBy: ['LK-0012', 'LK-0018'],
    message: /Not within .* a free key is granted/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const row = liveRow(table, attempt.key);
        if (row) row.expiresAt = now() + attempt.ttlMs;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'SETNX with one value for everybody',
    seenIn: 'H3, tutorials',
    base: 'table',
    caughtBy: ['LK-0014', 'LK-0013', 'LK-0021', 'LK-0030'],
    message: /could release it/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        return liveRow(table, attempt.key) ? { status: 'busy' } : right.tryAcquire({ ...attempt, owner: 'locked' });
      },
      renew: (hold, ttlMs) => right.renew({ ...hold, owner: 'locked' }, ttlMs),
      release: (hold) => right.release({ ...hold, owner: 'locked' }),
    }),
  },
  {
    bug: 'SET without NX: the last one to ask has the lock',
    seenIn: 'tutorials',
    base: 'table',
    caughtBy: ['LK-0006', 'LK-0007', 'LK-0010'],
    message: /must be told "busy"/,
    adapter: (_, table) => ({
      tryAcquire: async ({ key, owner, ttlMs, tokens }) => insert(table, key, owner, ttlMs, tokens),
    }),
  },
  {
    bug: 'GET, then SET: two commands with a gap between them',
    seenIn: 'H84, tutorials',
    base: 'table',
    caughtBy: ['LK-0007', 'LK-0008'],
    message: /hold one key at the same time/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        if (liveRow(table, attempt.key)) return right.tryAcquire(attempt);
        await new Promise((resolve) => setImmediate(resolve));
        return insert(table, attempt.key, attempt.owner, attempt.ttlMs, attempt.tokens);
      },
    }),
  },
  {
    bug: 'a reentrant hash beside a guard key that nobody ever sets: every owner enters',
    seenIn: 'tutorials',
    base: 'table',
    caughtBy: ['LK-0006', 'LK-0007', 'LK-0026'],
    message: /must be told "busy"/,
    adapter(right, { rows }) {
      const field = (key: string, owner: string) => JSON.stringify([key, owner]);
      const counts = new Map<string, number>();
      return {
        async tryAcquire(attempt) {
          const name = field(attempt.key, attempt.owner);
          if (rows.has(attempt.key)) return { status: 'busy' };
          counts.set(name, (counts.get(name) ?? 0) + 1);
          return right.tryAcquire({ ...attempt, key: name });
        },
        renew: ({ key, owner }, ttlMs) => right.renew({ key: field(key, owner), owner }, ttlMs),
        async release({ key, owner }) {
          const name = field(key, owner);
          const left = (counts.get(name) ?? 1) - 1;
          counts.set(name, left);
          return left > 0 ? 'released' : right.release({ key: name, owner });
        },
      };
    },
  },
  {
    bug: 'the holder that asks again is refused its own lock',
    seenIn: 'H12',
    base: 'table',
    caughtBy: ['LK-0024', 'LK-0026'],
    message: /refused its own lock/,
    adapter: (right, table) => ({
      tryAcquire: async (attempt) => (liveRow(table, attempt.key) ? { status: 'busy' } : right.tryAcquire(attempt)),
    }),
  },
  {
    bug: 'the holder that asks again is promised a fresh lease, and keeps the old one',
    seenIn: 'H12',
    base: 'table',
    caughtBy: ['LK-0025'],
    message: /let in .* before the lease could have ended/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const row = liveRow(table, attempt.key);
        const until = row?.expiresAt;
        const outcome = await right.tryAcquire(attempt);
        if (row && until !== undefined && row.owner === attempt.owner) row.expiresAt = until;
        return outcome;
      },
    }),
  },
  {
    bug: 'the backend counts acquisitions, so a repeated request needs a repeated release',
    seenIn: 'H57',
    base: 'table',
    caughtBy: ['LK-0026'],
    message: /must not count/,
    adapter(right) {
      const counts = new Map<string, number>();
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'granted') counts.set(attempt.owner, (counts.get(attempt.owner) ?? 0) + 1);
          return outcome;
        },
        async release(hold) {
          const left = (counts.get(hold.owner) ?? 1) - 1;
          counts.set(hold.owner, left);
          return left > 0 ? 'released' : right.release(hold);
        },
      };
    },
  },
  {
    bug: 'a refused attempt stays in line and gets the lock later',
    seenIn: 'H11, H64',
    base: 'table',
    caughtBy: ['LK-0027', 'LK-0193'],
    message: /only refused attempts/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'busy') table.refused.push(attempt);
        return outcome;
      },
      async release(hold) {
        const outcome = await right.release(hold);
        const next = table.refused.findIndex(({ key, owner }) => key === hold.key && owner !== hold.owner);
        if (outcome === 'released' && next >= 0) {
          insert(table, hold.key, table.refused.splice(next, 1)[0]!.owner, 60_000);
        }
        return outcome;
      },
    }),
  },
  {
    bug: 'busy is an error',
    seenIn: 'node-redlock #288',
    base: 'table',
    caughtBy: ['LK-0006', 'LK-0010'],
    message: /already locked/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'busy') throw new Error(`"${attempt.key}" is already locked`);
        return outcome;
      },
    }),
  },
  {
    bug: 'a busy answer says when to come back as a point in time, not as a span',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0011'],
    message: /retryAfterMs is/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') return outcome;
        return { status: 'busy', retryAfterMs: Date.now() + liveRow(table, attempt.key)!.expiresAt };
      },
    }),
  },
  {
    bug: 'the clock of the client that asks decides what has expired, and the clocks differ',
    seenIn: 'H23',
    base: 'table',
    caughtBy: ['LK-0012'],
    message: /let in .* before the lease could have ended/,
    adapter: (right, { rows }, client) => ({
      tryAcquire(attempt) {
        const row = rows.get(attempt.key);
        if (row && row.expiresAt <= now() + (client % 10) * AHEAD_MS) rows.delete(attempt.key);
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'a cache of lock objects drops the one that was used least recently, held or not',
    seenIn: 'H21, H90',
    base: 'table',
    caughtBy: ['LK-0110'],
    message: /one of 400 that are held/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        const [oldest] = rows.keys();
        if (rows.size > MOST_ROWS && oldest !== undefined) rows.delete(oldest);
        return outcome;
      },
    }),
  },
  {
    bug: 'tasks of one client are one owner to the backend, as those of one session are',
    seenIn: 'H59',
    base: 'table',
    caughtBy: ['LK-0006', 'LK-0007'],
    message: /the same client holds the key for another owner/,
    adapter(right, _, client) {
      const owner = `session ${client}`;
      return {
        tryAcquire: (attempt) => right.tryAcquire({ ...attempt, owner }),
        renew: (hold, ttlMs) => right.renew({ ...hold, owner }, ttlMs),
        release: (hold) => right.release({ ...hold, owner }),
      };
    },
  },
];

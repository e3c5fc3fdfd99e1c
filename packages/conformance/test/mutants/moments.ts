import { setTimeout as sleep } from 'node:timers/promises';
import { insert, liveRow, now } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

/** What goes wrong at the moment at which a hold ends, and what goes wrong only now and then. */
export const momentMutants: readonly Mutant[] = [
  {
    bug: 'a hold that has ended is read, then overwritten',
    seenIn: 'H84',
    base: 'table',
    caughtBy: ['LK-0161'],
    message: /were granted a key whose hold had ended/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const { key, owner, ttlMs, tokens } = attempt;
        if (!table.rows.has(key) || liveRow(table, key)) return right.tryAcquire(attempt);
        await sleep(20);
        return insert(table, key, owner, ttlMs, tokens);
      },
    }),
  },
  {
    bug: 'renew reads the owner, then prolongs whatever hold stands by then',
    seenIn: 'H5, H84',
    base: 'table',
    caughtBy: ['LK-0162', 'LK-0164'],
    message: /another owner was let in as well/,
    adapter: (_, table) => ({
      async renew({ key, owner }, ttlMs) {
        if (liveRow(table, key)?.owner !== owner) return { status: 'lost' };
        await sleep(20);
        const row = liveRow(table, key);
        if (!row) return { status: 'lost' };
        row.expiresAt = now() + ttlMs - 20;
        return { status: 'renewed', validForMs: ttlMs - 20 };
      },
    }),
  },
  {
    bug: 'release reads the owner, then deletes whatever hold stands by then',
    seenIn: 'H1, H84',
    base: 'table',
    caughtBy: ['LK-0163', 'LK-0166'],
    message: /its new owner holds it|does not have the key/,
    adapter: (_, table) => ({
      async release({ key, owner }) {
        if (liveRow(table, key)?.owner !== owner) return 'not-held';
        await sleep(5);
        return table.rows.delete(key) ? 'released' : 'not-held';
      },
    }),
  },
  {
    bug: 'the holder that asks again reads its hold, then prolongs whatever stands by then',
    seenIn: 'H84',
    base: 'table',
    caughtBy: ['LK-0165'],
    message: /another owner was let in as well/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        if (liveRow(table, attempt.key)?.owner !== attempt.owner) return right.tryAcquire(attempt);
        await sleep(20);
        const row = liveRow(table, attempt.key);
        if (!row) return right.tryAcquire(attempt);
        row.expiresAt = now() + attempt.ttlMs - 20;
        return { status: 'granted', fencingToken: row.token, tokens: row.tokens, validForMs: attempt.ttlMs - 20 };
      },
    }),
  },
  {
    bug: 'holds that have ended are cleared up by the next request for any key, and stand until then',
    seenIn: 'H6',
    base: 'table',
    caughtBy: ['LK-0167'],
    message: /with nobody else asking the backend/,
    adapter: (right, { rows }) => ({
      tryAcquire(attempt) {
        for (const [key, { expiresAt }] of rows) if (expiresAt <= now()) rows.delete(key);
        return right.tryAcquire(attempt);
      },
      async renew({ key, owner }, ttlMs) {
        const row = rows.get(key);
        if (row?.owner !== owner) return { status: 'lost' };
        row.expiresAt = now() + ttlMs;
        return { status: 'renewed', validForMs: ttlMs };
      },
      async release({ key, owner }) {
        if (rows.get(key)?.owner !== owner) return 'not-held';
        rows.delete(key);
        return 'released';
      },
    }),
  },
  {
    bug: 'one of 300 requests for a held key is granted',
    seenIn: 'H84',
    base: 'table',
    caughtBy: ['LK-0179', 'LK-0180'],
    message: /owners were granted one key/,
    adapter(right, table) {
      return {
        async tryAcquire(attempt) {
          const row = liveRow(table, attempt.key);
          const again = row?.owner === attempt.owner;
          if (row && !again && ++refusals % 300 === 0)
            return insert(table, attempt.key, attempt.owner, attempt.ttlMs, attempt.tokens);
          return right.tryAcquire(attempt);
        },
      };
    },
  },
  {
    bug: 'one of 150 releases is answered and not made',
    seenIn: 'H14',
    base: 'table',
    caughtBy: ['LK-0180'],
    message: /must be answered/,
    adapter: (right, table) => ({
      async release(hold) {
        if (liveRow(table, hold.key)?.owner === hold.owner && ++releases % 150 === 0) return 'released';
        return right.release(hold);
      },
    }),
  },
  {
    bug: 'a client that was told busy says so by itself for 300 ms',
    seenIn: 'H90',
    base: 'table',
    caughtBy: ['LK-0181', 'LK-0180'],
    message: /The first request after a release/,
    adapter(right) {
      const until = new Map<string, number>();
      return {
        async tryAcquire(attempt) {
          if (now() < (until.get(attempt.key) ?? 0)) return { status: 'busy' };
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'busy') until.set(attempt.key, now() + 300);
          return outcome;
        },
      };
    },
  },
];

let refusals = 0;
let releases = 0;

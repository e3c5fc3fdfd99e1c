import { setTimeout as sleep } from 'node:timers/promises';
import type { LockAdapter } from '@holdfast/lock-core';
import { liveRow, now, type Table } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

/** Overrides `tryAcquire`, and `renew` with it, so that leases of the table end otherwise than they say. */
const withLease =
  (leaseOf: (ttlMs: number) => number) =>
  (right: LockAdapter, { rows }: Table): Partial<LockAdapter> => ({
    async tryAcquire(attempt) {
      const outcome = await right.tryAcquire(attempt);
      if (outcome.status === 'granted') rows.get(attempt.key)!.expiresAt = now() + leaseOf(attempt.ttlMs);
      return outcome;
    },
    async renew(hold, ttlMs) {
      const outcome = await right.renew(hold, ttlMs);
      if (outcome.status === 'renewed') rows.get(hold.key)!.expiresAt = now() + leaseOf(ttlMs);
      return outcome;
    },
  });

/** What is promised and does not come. */
export const promiseMutants: readonly Mutant[] = [
  {
    bug: 'no lease is longer than an hour, whatever is promised',
    seenIn: 'H9, H82',
    base: 'table',
    caughtBy: ['LK-0154'],
    message: /must have .* left; inspect says/,
    adapter: withLease((ttlMs) => Math.min(ttlMs, 3_600_000)),
  },
  {
    bug: 'a lease of 2^31 ms and more wraps to 32 bits',
    seenIn: 'H9',
    base: 'table',
    caughtBy: ['LK-0154'],
    message: /is over after/,
    adapter: withLease((ttlMs) => ttlMs | 0),
  },
  {
    bug: 'inspect tells the TTL in place of the time left',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0155'],
    message: /must have .* left; inspect says/,
    adapter: (right) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        return info && { ...info, remainingMs: 61_324 };
      },
    }),
  },
  {
    bug: 'a busy answer points to the end of a whole TTL, however much of it is over',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0156'],
    message: /the lease is over in/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'busy' ? { status: 'busy', retryAfterMs: 1_322 } : outcome;
      },
    }),
  },
  {
    bug: 'a busy answer says when to come back as text',
    seenIn: 'H114',
    base: 'table',
    caughtBy: ['LK-0006'],
    message: /must be a finite number/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'busy' ? { status: 'busy', retryAfterMs: '250' as unknown as number } : outcome;
      },
    }),
  },
  {
    bug: 'holds end half a second later than is declared',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0157', 'LK-0192'],
    message: /later than its TTL/,
    adapter: withLease((ttlMs) => ttlMs + 500),
  },
  {
    bug: 'the request of another owner with a shorter TTL shortens the hold',
    seenIn: 'H5',
    base: 'table',
    caughtBy: ['LK-0158'],
    message: /ended a hold .* early/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const row = liveRow(table, attempt.key);
        if (row && row.owner !== attempt.owner) row.expiresAt = Math.min(row.expiresAt, now() + attempt.ttlMs);
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'a renewal is answered at once and takes effect 100 ms later',
    seenIn: 'H52',
    base: 'table',
    caughtBy: ['LK-0159', 'LK-0162'],
    message: /before the lease could have ended/,
    adapter: (right, table) => ({
      async renew(hold, ttlMs) {
        if (liveRow(table, hold.key)?.owner !== hold.owner) return { status: 'lost' };
        void sleep(100).then(() => right.renew(hold, ttlMs - 100));
        return { status: 'renewed', validForMs: ttlMs };
      },
    }),
  },
  {
    bug: 'to ask again sets the TTL that is asked for, also a shorter one',
    seenIn: 'H113',
    base: 'table',
    caughtBy: ['LK-0160'],
    message: /only a renewal shortens a lease/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') table.rows.get(attempt.key)!.expiresAt = now() + attempt.ttlMs;
        return outcome;
      },
    }),
  },
  {
    bug: 'the tokens of a block are given again when the hold ends by itself',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0176'],
    message: /up to .* were reserved before/,
    adapter: (right, table) => ({
      tryAcquire(attempt) {
        const old = table.rows.get(attempt.key);
        if (old && old.expiresAt <= now()) table.lastToken = old.token;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'the owner that asks again for more tokens is told that it has them',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0177'],
    message: /was told of another block/,
    adapter: (right, table) => ({
      tryAcquire(attempt) {
        const row = liveRow(table, attempt.key);
        if (row?.owner === attempt.owner) row.tokens = Math.max(row.tokens, attempt.tokens);
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'the token counter is forgotten when nobody has asked for the key for a second',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0178'],
    message: /a time without a holder/,
    adapter(right, table) {
      return {
        async tryAcquire(attempt) {
          const last = asked.get(attempt.key);
          asked.set(attempt.key, now());
          if (last !== undefined && now() - last > 1_000 && !liveRow(table, attempt.key)) table.lastToken = 0n;
          return right.tryAcquire(attempt);
        },
      };
    },
  },
  {
    bug: 'renewMany takes no more than 200 holds',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0174'],
    message: /too many/,
    adapter: (right) => ({
      async renewMany(holds, ttlMs) {
        if (holds.length > 200) throw new Error('too many parameters');
        return right.renewMany!(holds, ttlMs);
      },
    }),
  },
  {
    bug: 'holds that are renewed together get half of the lease that is promised',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0175'],
    message: /renewMany promised/,
    adapter: (right) => ({
      async renewMany(holds, ttlMs) {
        const outcomes = await Promise.all(holds.map((hold) => right.renew(hold, ttlMs / 2)));
        return outcomes.map((outcome) => (outcome.status === 'lost' ? outcome : { ...outcome, validForMs: ttlMs }));
      },
    }),
  },
  {
    bug: 'a forced release takes the owner, and frees whoever holds the key',
    seenIn: 'H112',
    base: 'table',
    caughtBy: ['LK-0189', 'LK-0190'],
    message: /names another owner says that it freed/,
    adapter: (right) => ({
      async forceRelease(key, _owner) {
        return right.forceRelease!(key);
      },
    }),
  },
  {
    bug: 'a forced release of a hold that has ended says that it freed it',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0191'],
    message: /whose hold had ended by itself/,
    adapter: (_, { rows }) => ({ forceRelease: async (key: string) => rows.delete(key) }),
  },
  {
    bug: 'inspect shows a hold for another second after it has ended',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0192'],
    message: /inspect still showed/,
    adapter: (_, { rows }) => ({
      async inspect(key) {
        const row = rows.get(key);
        if (!row || row.expiresAt + 1_000 < now()) return undefined;
        const remainingMs = Math.max(0, row.expiresAt - now());
        return { key, owner: row.owner, remainingMs, fencingToken: row.token, waiters: undefined };
      },
    }),
  },
];

const asked = new Map<string, number>();

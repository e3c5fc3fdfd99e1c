import type { RenewOutcome } from '@holdfast/lock-core';
import { liveRow } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

/** Renewals in one request, of which some are not made. */
export const jointRenewalMutants: readonly Mutant[] = [
  {
    bug: 'renewMany prolongs nothing after the first hold that is lost, and says that it did',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /renewed with others, of an exclusive hold/,
    adapter: (right, inside) => ({
      async renewMany(holds, ttlMs) {
        const outcomes: RenewOutcome[] = [];
        for (const hold of holds) {
          const isDone = outcomes.some(({ status }) => status === 'lost');
          const stands = liveRow(inside, hold.key)?.owner === hold.owner;
          outcomes.push(isDone && stands ? { status: 'renewed', validForMs: ttlMs } : await right.renew(hold, ttlMs));
        }
        return outcomes;
      },
    }),
  },
  {
    bug: 'renewMany gives twice the TTL to a hold that is named twice',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0290', 'LK-0291'],
    message: /renewed with others, of an exclusive hold/,
    adapter: (right, inside) => ({
      async renewMany(holds, ttlMs) {
        const outcomes = await Promise.all(holds.map((hold) => right.renew(hold, ttlMs)));
        for (const [i, { key, owner }] of holds.entries()) {
          const row = liveRow(inside, key);
          if (row?.owner === owner && holds.findIndex((hold) => hold.key === key) < i) row.expiresAt += ttlMs;
        }
        return outcomes;
      },
    }),
  },
  {
    bug: 'of a long list renewMany leaves out the hundred-and-first, and says that it prolonged it',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0175'],
    message: /for hold 101 of/,
    adapter: (right, inside) => ({
      renewMany: (holds, ttlMs) =>
        Promise.all(
          holds.map(async (hold, i) =>
            i === 100 && liveRow(inside, hold.key)?.owner === hold.owner
              ? { status: 'renewed', validForMs: ttlMs }
              : right.renew(hold, ttlMs),
          ),
        ),
    }),
  },
];

import { setTimeout as sleep } from 'node:timers/promises';
import { liveRow } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

const REPLY_MS = 50;

/** Bugs in tokens and times. */
export const valueMutants: readonly Mutant[] = [
  {
    bug: 'the token counter belongs to the key and goes with it',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0053', 'LK-0055', 'LK-0058'],
    message: /the token went from/,
    adapter: (right, table) => ({
      tryAcquire(attempt) {
        if (!liveRow(table, attempt.key)) table.lastToken = 0n;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'each client counts tokens for itself',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0053', 'LK-0054', 'LK-0057', 'LK-0058'],
    message: /the token went from/,
    adapter(right) {
      const tokens = new Map<string, bigint>();
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'busy') return outcome;
          const fencingToken = tokens.get(attempt.owner) ?? BigInt(tokens.size);
          tokens.set(attempt.owner, fencingToken);
          return { ...outcome, fencingToken };
        },
      };
    },
  },
  {
    bug: 'a take-over keeps the token of the hold that expired',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0054'],
    message: /Over an expiry the token went from/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const old = rows.get(attempt.key);
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'busy' || !old) return outcome;
        rows.get(attempt.key)!.token = old.token;
        return { ...outcome, fencingToken: old.token };
      },
    }),
  },
  {
    bug: 'a re-entry takes a new token',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0024', 'LK-0026'],
    message: /changed the fencing token/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const row = liveRow(table, attempt.key);
        if (row?.owner === attempt.owner) row.token = ++table.lastToken;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'a block of tokens is promised, but the counter moves on by one',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0056'],
    message: /the token went from/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const before = table.lastToken;
        const outcome = await right.tryAcquire(attempt);
        if (table.lastToken > before) table.lastToken = before + 1n;
        return outcome;
      },
    }),
  },
  {
    bug: 'declares tokens and gives none',
    seenIn: 'H36, H87',
    base: 'table',
    caughtBy: ['LK-0053'],
    message: /Declares fencing, but grants without a token/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'busy' ? outcome : { ...outcome, fencingToken: undefined };
      },
    }),
  },
  {
    bug: 'declares that it has no tokens, and gives some',
    seenIn: 'H36, H87',
    base: 'queue',
    caughtBy: ['LK-0059'],
    message: /Declares fencing false, but gives a fencing token/,
    declares: { fencing: false },
  },
  {
    bug: 'a grant without any validity',
    seenIn: 'H28, node-redlock #296',
    base: 'table',
    caughtBy: ['LK-0018', 'LK-0038'],
    message: /without any validity/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'granted' ? { ...outcome, validForMs: -1 } : outcome;
      },
    }),
  },
  {
    bug: 'the validity counts from the answer, not from the request',
    seenIn: 'H47',
    base: 'table',
    caughtBy: ['LK-0038'],
    message: /TTL .* ms was granted with a validity of/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        await sleep(REPLY_MS);
        return outcome.status === 'granted' ? { ...outcome, validForMs: outcome.validForMs + REPLY_MS } : outcome;
      },
    }),
  },
  {
    bug: 'a lease is promised for twice the TTL',
    seenIn: 'H46, etcd3',
    base: 'table',
    caughtBy: ['LK-0012', 'LK-0038'],
    message: /before the lease could have ended/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'granted' ? { ...outcome, validForMs: 2 * outcome.validForMs } : outcome;
      },
    }),
  },
  {
    bug: 'a renewal promises more than it gives',
    seenIn: 'H47',
    base: 'table',
    caughtBy: ['LK-0036', 'LK-0038'],
    message: /before the lease could have ended/,
    adapter: (right) => ({
      async renew(hold, ttlMs) {
        const outcome = await right.renew(hold, ttlMs);
        return outcome.status === 'lost' ? outcome : { ...outcome, validForMs: outcome.validForMs + REPLY_MS };
      },
    }),
  },
  {
    bug: 'TTLs are whole seconds, rounded up, and declared as milliseconds',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0097', 'LK-0038'],
    message: /A TTL of 1 ms gave a validity of 1000 ms/,
    adapter: (right) => ({
      tryAcquire: (attempt) => right.tryAcquire({ ...attempt, ttlMs: Math.ceil(attempt.ttlMs / 1_000) * 1_000 }),
    }),
  },
  {
    bug: 'TTLs are whole seconds, rounded down: a short one is over at once',
    seenIn: 'H82, tutorials',
    base: 'table',
    caughtBy: ['LK-0012', 'LK-0048'],
    message: /before the lease could have ended/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') rows.get(attempt.key)!.expiresAt -= attempt.ttlMs % 1_000;
        return outcome;
      },
    }),
  },
];

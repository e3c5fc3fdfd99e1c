import { claimsAdapter, rightRules } from '../support/claims-adapter.ts';
import { liveRow, now } from '../support/table-adapter.ts';
import { memoryOf } from './memory.ts';
import type { Mutant } from './mutant.ts';

/** What goes wrong only for keys with a past, with a name of a kind, in a long run, or when others ask. */
export const stepAsideMutants: readonly Mutant[] = [
  {
    bug: 'once a key was released by force, busy answers point twice as far as its leases last',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0102'],
    message: /but all leases of the key are over in/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status !== 'busy' || !memoryOf<true>({ rows }).has(attempt.key)) return outcome;
        return { status: 'busy', retryAfterMs: 2 * outcome.retryAfterMs! };
      },
      forceRelease(key) {
        memoryOf<true>({ rows }).set(key, true);
        return right.forceRelease!(key);
      },
    }),
  },
  {
    bug: 'busy answers say that 1 ms less than nothing is left',
    seenIn: 'never published',
    base: 'slow',
    caughtBy: ['LK-0006'],
    message: /retryAfterMs must be a finite number of 0 or more/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'busy' ? { status: 'busy', retryAfterMs: -1 } : outcome;
      },
    }),
  },
  {
    bug: 'a forced release within 50 ms of another one of the key says that it freed it too',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0102'],
    message: /The key was released by force a moment ago/,
    adapter(right) {
      const freedAt = new Map<string, number>();
      return {
        async forceRelease(key) {
          const isFreed = await right.forceRelease!(key);
          if (isFreed) freedAt.set(key, now());
          return isFreed || now() - (freedAt.get(key) ?? Number.NEGATIVE_INFINITY) < 50;
        },
      };
    },
  },
  {
    bug: 'inspect tells the first 32 characters of an owner ID',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0361'],
    message: /inspect of a key that ends in/,
    adapter: (right) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        return info && { ...info, owner: info.owner.slice(0, 32) };
      },
    }),
  },
  {
    bug: 'joint renewals leave out keys of more than 200 characters, and say that they did not',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0361'],
    message: /renewed with others/,
    adapter: (right, inside) => ({
      renewMany: (holds, ttlMs) =>
        Promise.all(
          holds.map(async (hold) =>
            hold.key.length > 200 && liveRow(inside, hold.key)?.owner === hold.owner
              ? { status: 'renewed', validForMs: ttlMs }
              : right.renew(hold, ttlMs),
          ),
        ),
    }),
  },
  {
    bug: 'a release by another owner takes a fifth of the lease that is left',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0362'],
    message: /after a release of another owner, must have/,
    adapter: (right, inside) => ({
      async release(hold) {
        const row = liveRow(inside, hold.key);
        if (row && row.owner !== hold.owner) row.expiresAt -= (row.expiresAt - now()) / 5;
        return right.release(hold);
      },
    }),
  },
  {
    bug: 'close frees every key that its client was ever granted, whoever holds it now',
    seenIn: 'H1',
    base: 'claims',
    caughtBy: ['LK-0363'],
    message: /a client was closed that had the key before/,
    adapter(right) {
      const keys = new Set<string>();
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'granted') keys.add(attempt.key);
          return outcome;
        },
        async close() {
          for (const key of keys) await right.forceRelease!(key);
          await right.close?.();
        },
      };
    },
  },
  {
    bug: 'a client that was closed says that no key is held, and that a forced release found none',
    seenIn: 'H85',
    base: 'table',
    caughtBy: ['LK-0305'],
    message: /A client that was closed leaves out a key/,
    adapter(right) {
      let isClosed = false;
      return {
        keys: async (cursor) => (isClosed ? { keys: [], next: undefined } : right.keys!(cursor)),
        forceRelease: async (key: string) => !isClosed && right.forceRelease!(key),
        async close() {
          isClosed = true;
        },
      };
    },
  },
  {
    bug: 'one in 300 renewals is rejected',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0364'],
    message: /nothing was in their way: renew: Error: a deadlock was detected/,
    adapter(right) {
      let renewals = 0;
      return {
        renewMany: right.renewMany!,
        async renew(hold, ttlMs) {
          if (++renewals % 300 === 0) throw new Error('a deadlock was detected');
          return right.renew(hold, ttlMs);
        },
      };
    },
  },
  {
    bug: 'no lease is longer than a year, whatever is promised',
    seenIn: 'H9',
    base: 'table',
    caughtBy: ['LK-0154'],
    message: /ms left; inspect says/,
    adapter: (right) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        return info && { ...info, remainingMs: Math.min(info.remainingMs!, 365 * 86_400_000) };
      },
    }),
  },
  {
    bug: 'inspect tells no limit while somebody waits for permits',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /inspect of a key that others wait for/,
    adapter: (right) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        return info && (info.waiters ?? 0) > 0 ? { ...info, limit: undefined } : info;
      },
    }),
  },
  {
    bug: 'a reader gets the first of the tokens that the writer before it had reserved',
    seenIn: 'H62',
    base: 'claims',
    caughtBy: ['LK-0301'],
    message: /A grant of a shared hold, .*, got token/,
    adapter: (_, { claims }) =>
      claimsAdapter(claims, {
        token(store, key, hold) {
          const token = rightRules.token(store, key, hold);
          if (hold.claim.mode === 'exclusive') store.lastWritten.set(key, token);
          return token;
        },
      }),
  },
];

import { insert, liveRow, now } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

const FIRST_FEW = 10;

/** Bugs in giving back, prolonging and taking over. */
export const endingMutants: readonly Mutant[] = [
  {
    bug: 'DEL whoever holds it',
    seenIn: 'H1, tutorials',
    base: 'table',
    caughtBy: ['LK-0014', 'LK-0021', 'LK-0030', 'LK-0194'],
    message: /could release it/,
    adapter: (_, { rows }) => ({ release: async ({ key }) => (rows.delete(key) ? 'released' : 'not-held') }),
  },
  {
    bug: 'owners are compared by prefix',
    seenIn: 'H4',
    base: 'table',
    caughtBy: ['LK-0020'],
    message: /was let in as|renewed the hold of|released/,
    adapter(right, table) {
      const whole = (key: string, owner: string) => {
        const holder = liveRow(table, key)?.owner;
        return holder && (holder.startsWith(owner) || owner.startsWith(holder)) ? holder : owner;
      };
      return {
        tryAcquire: (attempt) => right.tryAcquire({ ...attempt, owner: whole(attempt.key, attempt.owner) }),
        renew: (hold, ttlMs) => right.renew({ ...hold, owner: whole(hold.key, hold.owner) }, ttlMs),
        release: (hold) => right.release({ ...hold, owner: whole(hold.key, hold.owner) }),
      };
    },
  },
  {
    bug: 'the renewal does not look whose lock it prolongs',
    seenIn: 'H5',
    base: 'table',
    caughtBy: ['LK-0013', 'LK-0021', 'LK-0022'],
    message: /taken over could renew/,
    adapter: (right, table) => ({
      renew: (hold, ttlMs) => right.renew({ ...hold, owner: liveRow(table, hold.key)?.owner ?? hold.owner }, ttlMs),
    }),
  },
  {
    bug: 'the renewal prolongs first and looks whose lock it was afterwards',
    seenIn: 'H5',
    base: 'table',
    caughtBy: ['LK-0022'],
    message: /Not within .* a free key is granted/,
    adapter: (right, table) => ({
      async renew(hold, ttlMs) {
        const row = liveRow(table, hold.key);
        if (row) row.expiresAt = now() + ttlMs;
        return right.renew(hold, ttlMs);
      },
    }),
  },
  {
    bug: 'the renewal brings an expired lock back',
    seenIn: 'H6',
    base: 'table',
    caughtBy: ['LK-0016', 'LK-0032'],
    message: /expired hold was renewed/,
    adapter: (right, table) => ({
      async renew(hold, ttlMs) {
        if (!liveRow(table, hold.key)) insert(table, hold.key, hold.owner, ttlMs);
        return right.renew(hold, ttlMs);
      },
    }),
  },
  {
    bug: 'the renewal of what is gone says "lost" and takes the key all the same',
    seenIn: 'H6, H63',
    base: 'table',
    caughtBy: ['LK-0031', 'LK-0032', 'LK-0033'],
    message: /nobody ever held it/,
    adapter: (right, table) => ({
      async renew(hold, ttlMs) {
        const outcome = await right.renew(hold, ttlMs);
        if (!liveRow(table, hold.key)) insert(table, hold.key, hold.owner, ttlMs);
        return outcome;
      },
    }),
  },
  {
    bug: 'a take-over keeps the name of the old owner',
    seenIn: 'H7, verrou’s memory store',
    base: 'table',
    caughtBy: ['LK-0013', 'LK-0014', 'LK-0015'],
    message: /taken over could renew/,
    adapter: (right, { rows }) => ({
      tryAcquire(attempt) {
        const old = rows.get(attempt.key);
        const expired = old && old.expiresAt <= now();
        return right.tryAcquire(expired ? { ...attempt, owner: old.owner } : attempt);
      },
    }),
  },
  {
    bug: 'a take-over keeps the lease of the old owner',
    seenIn: 'H7',
    base: 'table',
    caughtBy: ['LK-0018'],
    message: /let in .* before the lease could have ended/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const old = rows.get(attempt.key);
        const outcome = await right.tryAcquire(attempt);
        if (old && outcome.status === 'granted') rows.get(attempt.key)!.expiresAt = old.expiresAt + attempt.ttlMs / 2;
        return outcome;
      },
    }),
  },
  {
    bug: 'a failed renewal is swallowed: "renewed", whatever was found',
    seenIn: 'H52',
    base: 'table',
    caughtBy: ['LK-0049', 'LK-0050', 'LK-0013'],
    message: /Not within .* signal of a lost lock aborts/,
    adapter: (right) => ({
      async renew(hold, ttlMs) {
        await right.renew(hold, ttlMs);
        return { status: 'renewed', validForMs: ttlMs };
      },
    }),
  },
  {
    bug: 'the renewal says yes and does nothing',
    seenIn: 'H52',
    base: 'table',
    caughtBy: ['LK-0036', 'LK-0037', 'LK-0041', 'LK-0043'],
    message: /before the lease could have ended/,
    adapter: (_, table) => ({
      renew: async ({ key, owner }, ttlMs) =>
        liveRow(table, key)?.owner === owner ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' },
    }),
  },
  {
    bug: 'the renewal gives the TTL of the acquisition, not the one that it is asked for',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0037'],
    message: /Asked for .* ms, got .* ms/,
    adapter(right) {
      const ttls = new Map<string, number>();
      return {
        tryAcquire(attempt) {
          ttls.set(attempt.owner, attempt.ttlMs);
          return right.tryAcquire(attempt);
        },
        renew: (hold, ttlMs) => right.renew(hold, ttls.get(hold.owner) ?? ttlMs),
      };
    },
  },
  {
    bug: 'renewMany gives its answers in the wrong order',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0040'],
    message: /own, foreign, never held, released/,
    adapter: (right) => ({
      renewMany: async (holds, ttlMs) => {
        const outcomes = await Promise.all(holds.map((hold) => right.renew(hold, ttlMs)));
        return outcomes.sort((a, b) => a.status.localeCompare(b.status));
      },
    }),
  },
  {
    bug: 'renewMany prolongs the first few, and says that it prolonged all',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0041'],
    message: /renewMany prolonged its lease/,
    adapter: (right) => ({
      renewMany: (holds, ttlMs) =>
        Promise.all(
          holds.map((hold, i) =>
            i < FIRST_FEW ? right.renew(hold, ttlMs) : { status: 'renewed' as const, validForMs: ttlMs },
          ),
        ),
    }),
  },
  {
    bug: 'renewMany prolongs the first few, and takes the others for lost',
    seenIn: 'H17, H90',
    base: 'table',
    caughtBy: ['LK-0044', 'LK-0041'],
    message: /is lost: the backend says/,
    adapter: (right) => ({
      renewMany: (holds, ttlMs) =>
        Promise.all(holds.map((hold, i) => (i < FIRST_FEW ? right.renew(hold, ttlMs) : { status: 'lost' as const }))),
    }),
  },
  {
    bug: 'a release of what is not held throws',
    seenIn: 'H14',
    base: 'table',
    caughtBy: ['LK-0014', 'LK-0017', 'LK-0030', 'LK-0031'],
    message: /not the owner/,
    adapter: (right) => ({
      async release(hold) {
        const outcome = await right.release(hold);
        if (outcome === 'not-held') throw new Error('not the owner');
        return outcome;
      },
    }),
  },
  {
    bug: 'a release of what has expired says "released"',
    seenIn: 'H1',
    base: 'table',
    caughtBy: ['LK-0017', 'LK-0030', 'LK-0031'],
    message: /expired hold was released/,
    adapter: (right) => ({
      async release(hold) {
        await right.release(hold);
        return 'released';
      },
    }),
  },
  {
    bug: 'the release says yes and leaves the rest to the TTL',
    seenIn: 'H57',
    base: 'table',
    caughtBy: ['LK-0029', 'LK-0032', 'LK-0033', 'LK-0060'],
    message: /its owner released it/,
    adapter: (_, table) => ({
      release: async ({ key, owner }) => (liveRow(table, key)?.owner === owner ? 'released' : 'not-held'),
    }),
  },
];

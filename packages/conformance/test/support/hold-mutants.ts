import type { Mutant } from './mutant.ts';
import { insert, liveRow, now } from './table-adapter.ts';

/** Refused attempts of all clients, for the mutant that keeps them in line. */
const refused: { key: string; owner: string }[] = [];

/** Bugs in taking, keeping and giving back. */
export const holdMutants: readonly Mutant[] = [
  {
    bug: 'H1: the release deletes whatever is there',
    caughtBy: ['LK-0014', 'LK-0021', 'LK-0030'],
    message: /could release it/,
    mutate: (_, { rows }) => ({ release: async ({ key }) => (rows.delete(key) ? 'released' : 'not-held') }),
  },
  {
    bug: 'H2: the key is set first and never gets an expiry, because the second command is missing',
    caughtBy: ['LK-0012', 'LK-0016', 'LK-0061'],
    message: /Not within/,
    mutate: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') rows.get(attempt.key)!.expiresAt = Number.POSITIVE_INFINITY;
        return outcome;
      },
    }),
  },
  {
    bug: 'SETNX, then EXPIRE even when SETNX failed: whoever waits keeps the lock of the dead holder alive',
    caughtBy: ['LK-0012', 'LK-0018'],
    message: /Not within/,
    mutate: (right, table) => ({
      async tryAcquire(attempt) {
        const row = liveRow(table, attempt.key);
        if (row) row.expiresAt = now() + attempt.ttlMs;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'no NX: the last one to ask has the lock',
    caughtBy: ['LK-0006', 'LK-0007', 'LK-0010'],
    message: /must be told "busy"/,
    mutate: (_, table) => ({
      tryAcquire: async ({ key, owner, ttlMs, tokens }) => insert(table, key, owner, ttlMs, tokens),
    }),
  },
  {
    bug: 'GET, then SET: two commands with a gap between them',
    caughtBy: ['LK-0007'],
    message: /hold one key at the same time/,
    mutate: (right, table) => ({
      async tryAcquire(attempt) {
        if (liveRow(table, attempt.key)) return right.tryAcquire(attempt);
        await new Promise((resolve) => setImmediate(resolve));
        return insert(table, attempt.key, attempt.owner, attempt.ttlMs, attempt.tokens);
      },
    }),
  },
  {
    bug: 'H4: owners are compared by prefix',
    caughtBy: ['LK-0020'],
    message: /was let in as|renewed the hold of|released/,
    mutate: (right, table) => {
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
    bug: 'H5: the renewal does not look whose lock it prolongs',
    caughtBy: ['LK-0013', 'LK-0021', 'LK-0022'],
    message: /taken over could renew/,
    mutate: (right, table) => ({
      renew: (hold, ttlMs) => right.renew({ ...hold, owner: liveRow(table, hold.key)?.owner ?? hold.owner }, ttlMs),
    }),
  },
  {
    bug: 'H6: the renewal brings an expired lock back',
    caughtBy: ['LK-0016', 'LK-0032'],
    message: /expired hold was renewed/,
    mutate: (right, table) => ({
      async renew(hold, ttlMs) {
        if (!liveRow(table, hold.key)) insert(table, hold.key, hold.owner, ttlMs);
        return right.renew(hold, ttlMs);
      },
    }),
  },
  {
    bug: 'H7: a take-over keeps the name of the old owner',
    caughtBy: ['LK-0013', 'LK-0014', 'LK-0015'],
    message: /taken over could renew/,
    mutate: (right, { rows }) => ({
      tryAcquire(attempt) {
        const old = rows.get(attempt.key);
        const expired = old && old.expiresAt <= now();
        return right.tryAcquire(expired ? { ...attempt, owner: old.owner } : attempt);
      },
    }),
  },
  {
    bug: 'H12: the holder that asks again is refused its own lock',
    caughtBy: ['LK-0024', 'LK-0026'],
    message: /refused its own lock/,
    mutate: (right, table) => ({
      tryAcquire: async (attempt) => (liveRow(table, attempt.key) ? { status: 'busy' } : right.tryAcquire(attempt)),
    }),
  },
  {
    bug: 'H57: the backend counts acquisitions, so a repeated request needs a repeated release',
    caughtBy: ['LK-0026'],
    message: /must not count/,
    mutate: (right) => {
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
    bug: 'the renewal says yes and does nothing',
    caughtBy: ['LK-0036', 'LK-0037', 'LK-0041', 'LK-0043'],
    message: /before the lease could have ended/,
    mutate: (_, table) => ({
      renew: async ({ key, owner }, ttlMs) =>
        liveRow(table, key)?.owner === owner ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' },
    }),
  },
  {
    bug: 'renewMany gives its answers in the wrong order',
    caughtBy: ['LK-0040'],
    message: /own, foreign, never held, released/,
    mutate: (right) => ({
      renewMany: async (holds, ttlMs) => {
        const outcomes = await Promise.all(holds.map((hold) => right.renew(hold, ttlMs)));
        return outcomes.sort((a, b) => a.status.localeCompare(b.status));
      },
    }),
  },
  {
    bug: 'H14: a release of what is not held throws',
    caughtBy: ['LK-0014', 'LK-0017', 'LK-0030', 'LK-0031'],
    message: /not the owner/,
    mutate: (right) => ({
      async release(hold) {
        const outcome = await right.release(hold);
        if (outcome === 'not-held') throw new Error('not the owner');
        return outcome;
      },
    }),
  },
  {
    bug: 'H64: a refused attempt stays in line and gets the lock later',
    caughtBy: ['LK-0027'],
    message: /only refused attempts/,
    mutate: (right, table) => {
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'busy') refused.push(attempt);
          return outcome;
        },
        async release(hold) {
          const outcome = await right.release(hold);
          const next = refused.findIndex(({ key, owner }) => key === hold.key && owner !== hold.owner);
          if (outcome === 'released' && next >= 0) insert(table, hold.key, refused.splice(next, 1)[0]!.owner, 60_000);
          return outcome;
        },
      };
    },
  },
  {
    bug: 'the release says yes and leaves the rest to the TTL',
    caughtBy: ['LK-0029', 'LK-0032', 'LK-0033', 'LK-0060'],
    message: /its owner released it/,
    mutate: (_, table) => ({
      release: async ({ key, owner }) => (liveRow(table, key)?.owner === owner ? 'released' : 'not-held'),
    }),
  },
];

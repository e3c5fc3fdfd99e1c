import { claimsAdapter, rightRules } from '../support/claims-adapter.ts';
import { liveRow, now } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

/** The hand-overs of all clients. */
let handOvers = 0;
const unmarked = (key: string): string => key.replace(/^\ufeff/, '');

/** What the holds and the requests before leave behind. */
export const stepBackMutants: readonly Mutant[] = [
  {
    bug: 'the timer of a hold that was released by force ends the next hold of the key',
    seenIn: 'H7',
    base: 'table',
    caughtBy: ['LK-0366'],
    message: /must stand: after the hold of \d+ ms .*, which was .* and was released by force/,
    adapter: (right, inside) => ({
      async forceRelease(key) {
        const leftMs = (liveRow(inside, key)?.expiresAt ?? 0) - now();
        if (leftMs > 0 && leftMs < 10_000) setTimeout(() => inside.rows.delete(key), leftMs);
        return right.forceRelease!(key);
      },
    }),
  },
  {
    bug: 'after ten renewals a hold is prolonged no more, and its owner is told that it is',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0367'],
    message: /renewed often, must have/,
    adapter(right, inside) {
      const counts = new Map<string, number>();
      return {
        async renew(hold, ttlMs) {
          const count = (counts.get(hold.owner) ?? 0) + 1;
          counts.set(hold.owner, count);
          const stands = liveRow(inside, hold.key)?.owner === hold.owner;
          return count > 10 && stands ? { status: 'renewed', validForMs: ttlMs } : right.renew(hold, ttlMs);
        },
      };
    },
  },
  {
    bug: 'at one in 300 hand-overs the second waiter is let in before the first',
    seenIn: 'H84',
    base: 'claims',
    caughtBy: ['LK-0369'],
    message: /The order in which a queue was served/,
    adapter: (_, { claims }) =>
      claimsAdapter(claims, {
        next(entry, fits) {
          const waiter = rightRules.next(entry, fits);
          const second = entry.queue[1];
          return waiter && second && fits(second.claim) && ++handOvers % 300 === 0 ? second : waiter;
        },
      }),
  },
  {
    bug: 'a holder that asks the queue again, for which others wait, has a place in it as well',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0297'],
    message: /had asked the queue again, and all have left/,
    adapter: (right, { claims }) => ({
      enqueue(attempt, signal) {
        const entry = claims.entries.get(attempt.key);
        const isHolder = entry?.holders.some(({ owner }) => owner === attempt.owner);
        const claim = attempt.claim ?? { mode: 'exclusive' };
        if (isHolder && entry!.queue.length > 0)
          entry!.queue.push({ attempt, claim, calledAt: now(), grant() {}, gone: false });
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'a waiter that asks with tryAcquire as well goes to the end of the queue',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0321'],
    message: /which had asked as well|of an owner that waits, behind others/,
    adapter: (right, { claims }) => ({
      tryAcquire(attempt) {
        const queue = claims.entries.get(attempt.key)?.queue ?? [];
        const place = queue.findIndex(({ attempt: { owner } }) => owner === attempt.owner);
        if (place >= 0) queue.push(...queue.splice(place, 1));
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'enqueue with a signal that had aborted rejects, and has a place all the same',
    seenIn: 'H106',
    base: 'claims',
    caughtBy: ['LK-0318'],
    message: /was refused, whose signal had aborted/,
    adapter: (right) => ({
      enqueue(attempt, signal) {
        if (!signal.aborted) return right.enqueue!(attempt, signal);
        right.enqueue!(attempt, new AbortController().signal).catch(() => {});
        return Promise.reject(signal.reason);
      },
    }),
  },
  {
    bug: 'keys is answered from memory for half a second',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151'],
    message: /asked again at once/,
    adapter(right) {
      const pages = new Map<string | undefined, { at: number; page: ReturnType<NonNullable<typeof right.keys>> }>();
      return {
        keys(cursor) {
          const known = pages.get(cursor);
          const page = known && now() < known.at + 500 ? known : { at: now(), page: right.keys!(cursor) };
          pages.set(cursor, page);
          return page.page;
        },
      };
    },
  },
  {
    bug: 'the second of two holds that take over from one another keeps the token of the first',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0054'],
    message: /Over one more expiry the token went/,
    adapter(right, { rows }) {
      return {
        async tryAcquire(attempt) {
          const before = rows.get(attempt.key) as (ReturnType<typeof rows.get> & { isNext?: boolean }) | undefined;
          const outcome = await right.tryAcquire(attempt);
          const row = rows.get(attempt.key) as typeof before;
          if (outcome.status === 'busy' || !row || !before || before === row) return outcome;
          if (before.isNext) row.token = before.token;
          row.isNext = true;
          return { ...outcome, fencingToken: row.token };
        },
      };
    },
  },
  {
    bug: 'renewals find a hold by its key and its owner, joined by a colon',
    seenIn: 'H4',
    base: 'table',
    caughtBy: ['LK-0188'],
    message: /A renewal of a free key: another one goes on with ":"/,
    adapter: (right, inside) => ({
      renew({ key, owner }, ttlMs) {
        const joined = `${key}:${owner}`;
        const held = [...inside.rows].find(([name, row]) => `${name}:${row.owner}` === joined);
        return right.renew(held ? { key: held[0], owner: held[1].owner } : { key, owner }, ttlMs);
      },
    }),
  },
  {
    bug: 'a byte order mark at the beginning of a key does not count',
    seenIn: 'H86',
    base: 'table',
    caughtBy: ['LK-0183'],
    message: /which only begin otherwise/,
    adapter: (right) => ({
      tryAcquire: ({ key, owner, ttlMs, tokens, signal }) =>
        right.tryAcquire({ key: unmarked(key), owner, ttlMs, tokens, signal }),
      renew: ({ key, owner }, ttlMs) => right.renew({ key: unmarked(key), owner }, ttlMs),
      release: ({ key, owner }) => right.release({ key: unmarked(key), owner }),
    }),
  },
];

import type { LockAdapter } from '@holdfast/lock-core';
import { liveRow, now } from '../support/table-adapter.ts';
import type { Mutant } from './mutant.ts';

/** How often a hold was renewed, by its owner ID. */
const renewals = new Map<string, number>();
/** Who ever held a key. */
const former = new Map<string, Set<string>>();
let lateReleases = 0;

const pageOf = (keys: readonly string[], from: number, count: number) => ({
  keys: keys.slice(from, from + count),
  next: from + count < keys.length ? `${from + count}` : undefined,
});

/** What shows only after one thing and another, or in a great number of them. */
export const sequenceMutants: readonly Mutant[] = [
  {
    bug: 'from the second renewal on, a tenth of a lease is missing',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0195'],
    message: /there must be .* left|before the lease could have ended/,
    adapter: (right, { rows }) => ({
      async renew(hold, ttlMs) {
        const outcome = await right.renew(hold, ttlMs);
        const count = (renewals.get(hold.owner) ?? 0) + 1;
        renewals.set(hold.owner, count);
        if (outcome.status === 'renewed' && count > 1) rows.get(hold.key)!.expiresAt -= ttlMs / 10;
        return outcome;
      },
    }),
  },
  {
    bug: 'a renewal sets the leases of all keys of its owner',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0195'],
    message: /there must be .* left|lost before the end|before the lease could have ended|names another owner/,
    adapter: (right, { rows }) => ({
      async renew(hold, ttlMs) {
        const outcome = await right.renew(hold, ttlMs);
        if (outcome.status === 'renewed')
          for (const row of rows.values()) if (row.owner === hold.owner) row.expiresAt = now() + ttlMs;
        return outcome;
      },
    }),
  },
  {
    bug: 'a hold that takes over an ended one lasts 400 ms longer than is declared',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0157'],
    message: /granted over a hold that had ended/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const over = table.rows.has(attempt.key) && !liveRow(table, attempt.key);
        const outcome = await right.tryAcquire(attempt);
        if (over && outcome.status === 'granted') table.rows.get(attempt.key)!.expiresAt += 400;
        return outcome;
      },
    }),
  },
  {
    bug: 'no lease is shorter than 200 ms, whatever is declared',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0157'],
    message: /granted for a moment/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        const row = rows.get(attempt.key);
        if (outcome.status === 'granted') row!.expiresAt = Math.max(row!.expiresAt, now() + 200);
        return outcome;
      },
    }),
  },
  {
    bug: 'who asks just when a hold has ended is given the token of that hold',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0163'],
    message: /came token/,
    adapter: (right, table) => ({
      tryAcquire(attempt) {
        const row = table.rows.get(attempt.key);
        if (row && row.expiresAt <= now() && row.expiresAt > now() - 5) table.lastToken = row.token - 1n;
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'no more than 100 tokens are reserved for a hold that is told that it has more',
    seenIn: 'H62',
    base: 'table',
    caughtBy: ['LK-0056', 'LK-0176'],
    message: /the token went from/,
    adapter: (right, table) => ({
      async tryAcquire(attempt) {
        const first = table.lastToken;
        const outcome = await right.tryAcquire(attempt);
        if (table.lastToken > first + 100n) table.lastToken = first + 100n;
        return outcome;
      },
    }),
  },
  {
    bug: 'inspect tells the last token that is reserved for a hold',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0098', 'LK-0180'],
    message: /must name the fencing token/,
    adapter: (right, table) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        const row = liveRow(table, key);
        return info && row && { ...info, fencingToken: row.token + BigInt(row.tokens) - 1n };
      },
    }),
  },
  {
    bug: 'one of 300 releases by a former owner of the key frees it',
    seenIn: 'H1',
    base: 'table',
    caughtBy: ['LK-0196'],
    message: /took the lock from its holder|The release of a former owner/,
    adapter: (right, { rows }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted')
          former.set(attempt.key, (former.get(attempt.key) ?? new Set()).add(attempt.owner));
        return outcome;
      },
      async release(hold) {
        const isLate = rows.get(hold.key)?.owner !== hold.owner && former.get(hold.key)?.has(hold.owner);
        if (isLate && ++lateReleases % 300 === 0) rows.delete(hold.key);
        return right.release(hold);
      },
    }),
  },
  {
    bug: 'renewMany keeps its answers by key: of two holds of one key the last decides for both',
    seenIn: 'H17',
    base: 'table',
    caughtBy: ['LK-0174'],
    message: /must be "(renewed|lost)"/,
    adapter: (right) => ({
      async renewMany(holds, ttlMs) {
        const last = [...new Map(holds.map((hold) => [hold.key, hold])).values()];
        const answers = await right.renewMany!(last, ttlMs);
        return holds.map(({ key }) => answers[last.findIndex((hold) => hold.key === key)]!);
      },
    }),
  },
  {
    bug: 'keys ends after 500 of them',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151'],
    message: /keys left out/,
    adapter: (_, { rows }) => ({
      async keys(after) {
        return pageOf([...rows.keys()].slice(-500), Number(after ?? 0), 100);
      },
    }),
  },
  {
    bug: 'a page of keys from which ended holds were taken out counts as the last one',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151'],
    message: /keys left out/,
    adapter: (_, table) => ({
      async keys(after) {
        const page = pageOf([...table.rows.keys()], Number(after ?? 0), 100);
        const live = page.keys.filter((key) => liveRow(table, key));
        return { keys: live, next: live.length < 100 ? undefined : page.next };
      },
    }),
  },
  {
    bug: 'the hints of a waiter end after the third',
    seenIn: 'H37',
    base: 'hints',
    caughtBy: ['LK-0068'],
    message: /the hint of release 3 arrives/,
    adapter: (right) => hintsOf(right),
  },
];

/** With no more than three hints for one subscription. */
function hintsOf(right: LockAdapter): Partial<LockAdapter> {
  const calls = new Map<AbortSignal, number>();
  return {
    whenFree(key, signal) {
      const count = (calls.get(signal) ?? 0) + 1;
      calls.set(signal, count);
      const hint = right.whenFree!(key, signal);
      return count <= 4 ? hint : hint.then(() => new Promise<never>((_, reject) => rejectOnAbort(signal, reject)));
    },
  };
}

function rejectOnAbort(signal: AbortSignal, reject: (reason: unknown) => void): void {
  if (signal.aborted) reject(signal.reason);
  else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
}

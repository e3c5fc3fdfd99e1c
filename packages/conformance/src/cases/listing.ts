import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LockAdapter, LockInfo, Locks } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertUnanswered, impatient } from './unanswered.ts';

/** More than any page has; fewer on a slow backend. */
const MOST_KEYS = 613;

/** Reads all pages; `afterFirst` is called with the keys of the first one. */
export async function keysOf(
  context: Context,
  adapter: LockAdapter,
  afterFirst: (named: ReadonlySet<string>) => Promise<void> = async () => {},
): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  let cursor: string | undefined;
  let isGivenUp = false;
  const pages = async () => {
    do {
      const { keys, next } = await adapter.keys!(cursor);
      for (const key of keys) named.add(key);
      if (cursor === undefined) await afterFirst(named);
      cursor = next;
      // An embedded backend answers within one turn of the event loop.
      await nextTurn();
    } while (cursor !== undefined && !isGivenUp);
  };
  // Of a backend that others use too it may be many pages, and few keys on each.
  try {
    await context.soon('a page of the keys is the last one', pages(), 4 * context.boundMs);
  } finally {
    // By the time that the machine gave it, not by the clock: a list that was cut short would lack keys.
    isGivenUp = true;
  }
  return named;
}

async function listed(locks: Locks, pattern?: string): Promise<LockInfo[]> {
  const infos: LockInfo[] = [];
  for await (const info of locks.list(pattern)) infos.push(info);
  return infos;
}

/** Looking up all locks. */
export const listingCases: readonly Case[] = [
  {
    id: 'LK-0151',
    level: 'MUST',
    heavy: true,
    rule: 'C-141',
    title: 'keys names what any client holds, page by page, also when keys come free between two pages',
    hazards: [],
    needs: ['keys'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const odd = [
        '/a b',
        '{c}:d',
        '*?[e]%2F',
        'ü🔒',
        `.${'x'.repeat(900)}`,
        'f\ng',
        'h\u0000i',
        'e\u0301',
        ' j ',
        '"k,l"',
      ];
      // Expired holds are mixed with the others, where a page may count them.
      const { expiry, ttl } = context.harness.capabilities;
      const ended = Array.from({ length: expiry === 'ttl' ? 17 : 0 }, () => context.key());
      await Promise.all(ended.map((key) => context.take(one, key, { ttlMs: context.timing.ttlMs })));
      const endsAt =
        context.now() + longestLease(context.harness.capabilities, context.timing.ttlMs) + ttl.maxOvershootMs;
      const keys = Array.from({ length: 20 }, (_, i) => context.key() + (odd[i] ?? ''));
      // Many that begin alike: in the order of UTF-16 one half of them stands before the other, in that of UTF-8 behind it.
      const alike = context.key();
      // One that is a folder of another, elsewhere.
      keys.push(`${keys[19]}/below`);
      const startedAt = context.now();
      const holds = await Promise.all(keys.map((key, i) => context.take(i % 2 ? one : two, key)));
      while (keys.length < MOST_KEYS && context.now() - startedAt < context.raceMs) {
        const more = Array.from({ length: 43 }, (_, i) =>
          i % 2 ? context.key() : `${alike}${i % 4 ? '\uffee' : '\u{1f512}'}${keys.length + i}`,
        );
        const taken = more.map((key, i) => context.take((keys.length + i) % 2 ? one : two, key));
        holds.push(...(await Promise.all(taken)));
        keys.push(...more);
      }
      if (ended.length > 0) await context.until(endsAt);
      const freed = new Set<string>();
      const named = await keysOf(context, two, async (first) => {
        const some = holds.filter(({ key }, i) => i >= odd.length && first.has(key)).filter((_, nth) => nth % 3 === 0);
        for (const { key } of some) freed.add(key);
        await Promise.all(holds.map((hold, i) => freed.has(hold.key) && (i % 2 ? one : two).release(hold)));
      });
      const missing = keys.filter((key) => !freed.has(key) && !named.has(key));
      assert.deepEqual(missing, [], `Of ${keys.length - freed.size} keys that were held all the while, keys left out`);
      const late = await context.take(one, context.key());
      const again = await keysOf(context, two);
      assert.ok(again.has(late.key), 'keys, asked again at once, leaves out a key that has been held since before');
    },
  },
  {
    id: 'LK-0152',
    level: 'MUST',
    rule: 'C-142',
    title: 'Locks.list has each held lock once, as inspect tells it, and no free one; or says LOCK_UNSUPPORTED',
    hazards: [],
    async run(context) {
      const adapter = await context.client();
      const [locks, two] = [await context.locks({}, adapter), await context.locks()];
      const prefix = context.key();
      if (!adapter.keys || !adapter.inspect) {
        const why = 'The adapter cannot list: Locks.list must say so, and not end as if there were no locks';
        await assert.rejects(async () => listed(locks), { code: 'LOCK_UNSUPPORTED' }, why);
        return;
      }
      const mine = await Promise.all(['.a', '.b', '.b2', '-b', '.free'].map((end) => locks.acquire(prefix + end)));
      const theirs = await two.acquire(`${prefix}.c`);
      assert.equal(await mine.pop()!.release(), 'released');
      const find = async (pattern: string, expected: readonly string[]) => {
        const infos = await listed(locks, prefix + pattern);
        const keys = infos.map(({ key }) => key.slice(prefix.length)).sort();
        assert.deepEqual(keys, expected, `Locks.list of "${pattern}"`);
        return infos;
      };
      const freed = async () => (await adapter.inspect!(`${prefix}.free`)) === undefined;
      await context.eventually('the released key is free', freed, context.timing.graceMs);
      const infos = await find('*', ['-b', '.a', '.b', '.b2', '.c']);
      await find('.b', ['.b']);
      await find('.?', ['.a', '.b', '.c']);
      await find('.free', []);
      const info = infos.find(({ key }) => key === theirs.key);
      assert.equal(info?.fencingToken, theirs.fencingToken, 'list must name the fencing token of the hold');
    },
  },
  {
    id: 'LK-0153',
    level: 'MUST',
    rule: 'C-143',
    title: 'a list without an answer is LOCK_BACKEND; it does not end as if there were no locks',
    hazards: [24],
    needs: ['servers', 'keys', 'inspect'],
    async run(context) {
      const { locks, faults } = await context.proxiedLocks(impatient(context));
      faults.blackHole();
      await assertUnanswered(context, listed(locks));
    },
  },
];

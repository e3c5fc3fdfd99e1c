import assert from 'node:assert/strict';
import type { Lock } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { RawHold } from '../context.ts';

/** The token after `earlier` must be beyond every token that was reserved for it. */
function assertRises(earlier: RawHold, later: RawHold, over: string): void {
  const last = earlier.fencingToken! + BigInt(earlier.granted.tokens ?? 1) - 1n;
  assert.ok(later.fencingToken! > last, `Over ${over} the token went from ${last} to ${later.fencingToken}`);
}

/** Fencing tokens, and the honest absence of them. */
export const fencingCases: readonly Case[] = [
  {
    id: 'LK-0053',
    level: 'MUST',
    rule: 'C-84',
    title: 'every grant carries a fencing token, higher than all before it, over releases and clients',
    hazards: [36, 61, 62],
    requires: { fencing: true },
    async run(context) {
      const clients = [await context.client(), await context.client()];
      const key = context.key();
      let last: RawHold | undefined;
      for (let i = 0; i < 10; i++) {
        const adapter = clients[i % 2]!;
        const hold = await context.take(adapter, key);
        assert.equal(typeof hold.fencingToken, 'bigint', 'Declares fencing, but grants without a token');
        if (last) assertRises(last, hold, 'a release');
        last = hold;
        await adapter.release(hold);
      }
    },
  },
  {
    id: 'LK-0054',
    level: 'MUST',
    rule: 'C-85',
    title: 'the fencing token rises over a hold that ended without a release',
    hazards: [62],
    requires: { fencing: true },
    needs: ['lapse'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const old = await context.take(one, key, { ttlMs: context.timing.ttlMs });
      const second = await context.takeOver(two, key, old.sentAt);
      assertRises(old, second, 'an expiry');
      await two.release(second);
      // Several in a row, of which none is released.
      const next = context.key();
      let before = await context.take(one, next, { ttlMs: context.timing.ttlMs });
      for (const adapter of [two, one, two]) {
        await context.lapse(one, next);
        const hold = await context.take(adapter, next, { ttlMs: context.timing.ttlMs });
        assertRises(before, hold, 'one more expiry');
        before = hold;
      }
    },
  },
  {
    id: 'LK-0055',
    level: 'MUST',
    rule: 'C-86',
    title: 'the fencing token rises over a forced release',
    hazards: [62],
    requires: { fencing: true },
    needs: ['forceRelease'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const old = await context.take(one, key);
      assert.equal(await two.forceRelease!(key), true);
      assertRises(old, await context.take(two, key), 'a forced release');
    },
  },
  {
    id: 'LK-0056',
    level: 'MUST',
    rule: 'C-87',
    title: 'a reserved block of tokens is never given to a later hold',
    hazards: [62],
    requires: { fencing: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      // The last two pass what 32 bits can hold.
      for (const asked of [10, 1, 64, 1_037, 2 ** 31 - 1, 2 ** 31 - 1]) {
        const hold = await context.take(one, key, { tokens: asked });
        const reserved = hold.granted.tokens ?? 1;
        assert.ok(Number.isInteger(reserved) && reserved >= 1, `${reserved} tokens were reserved`);
        assert.ok(reserved <= asked, `${asked} tokens were asked for, ${reserved} reserved`);
        await one.release(hold);
        const next = await context.take(two, key);
        assertRises(hold, next, `a block of ${reserved} tokens`);
        await two.release(next);
      }
    },
  },
  {
    id: 'LK-0057',
    level: 'MUST',
    rule: 'C-88',
    title: 'a holder that lost its lock keeps its own token and never sees its successor’s',
    hazards: [61],
    requires: { fencing: true },
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const old = await one.acquire(key, { ttlMs: context.timing.ttlMs, autoRenew: false });
      const token = old.fencingToken!;
      const next = await context.soon('another gets the expired lock', two.acquire(key));
      assert.equal(old.fencingToken, token, 'The token of a lost lock changed');
      assert.ok(next.fencingToken! > token, `The next holder’s token ${next.fencingToken} is not above ${token}`);
    },
  },
  {
    id: 'LK-0058',
    level: 'MUST',
    rule: 'C-89',
    title: 'tokens rise in the order of the holds, among contenders of one client and of several',
    hazards: [59, 62],
    requires: { fencing: true },
    async run(context) {
      const clients = [await context.locks(), await context.locks()];
      const key = context.key();
      const tokens: bigint[] = [];
      const note = (lock: Lock) => void tokens.push(lock.fencingToken!);
      await Promise.all(Array.from({ length: 40 }, (_, i) => clients[i % 2]!.using(key, note)));
      assert.equal(tokens.length, 40);
      for (const [i, token] of tokens.entries()) {
        if (i > 0) assert.ok(token > tokens[i - 1]!, `Hold ${i} got token ${token} after ${tokens[i - 1]}`);
      }
    },
  },
  {
    id: 'LK-0059',
    level: 'MUST',
    rule: 'C-90',
    title: 'fencing false: no token appears anywhere',
    hazards: [36, 87],
    requires: { fencing: false },
    async run(context) {
      const adapter = await context.client();
      const locks = await context.locks();
      const key = context.key();
      const attempt = context.attempt(key, { tokens: 8 });
      const hold = await context.take(adapter, key, attempt);
      const why = 'Declares fencing false, but gives a fencing token';
      assert.equal(hold.fencingToken, undefined, why);
      assert.equal((await context.take(adapter, key, attempt)).fencingToken, undefined, why);
      assert.equal((await adapter.inspect?.(key))?.fencingToken, undefined, why);
      if (adapter.enqueue) {
        assert.equal((await adapter.enqueue(attempt, attempt.signal)).fencingToken, undefined, why);
      }
      await using lock = await locks.acquire(context.key());
      assert.equal(lock.fencingToken, undefined, why);
    },
  },
];

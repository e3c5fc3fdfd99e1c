import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { newOwner } from '../context.ts';
import { recorded } from '../recording.ts';
import { assertRelease } from './assert-release.ts';

/** Only its owner can touch a hold. */
export const ownershipCases: readonly Case[] = [
  {
    id: 'LK-0020',
    level: 'MUST',
    rule: 'C-10',
    title: 'owners that begin with one another are strangers',
    hazards: [4],
    async run(context) {
      const adapter = await context.client();
      const base = newOwner();
      const owner = `${base}11`;
      // Shorter, longer, and empty at the end: each must be compared whole.
      for (const other of [base, `${base}1`, `${base}112`, `${base}11\u0000`]) {
        const key = context.key();
        const hold = await context.take(adapter, key, { owner });
        const asked = await adapter.tryAcquire(context.attempt(key, { owner: other }));
        assert.equal(asked.status, 'busy', `Owner "${other}" was let in as "${owner}"`);
        const renewed = await adapter.renew({ key, owner: other }, context.timing.longTtlMs);
        assert.equal(renewed.status, 'lost', `Owner "${other}" renewed the hold of "${owner}"`);
        assert.equal(await adapter.release({ key, owner: other }), 'not-held', `Owner "${other}" released "${owner}"`);
        await assertRelease(adapter.release(hold));
      }
    },
  },
  {
    id: 'LK-0021',
    level: 'MUST',
    rule: 'C-26',
    title: 'a stranger can neither renew nor release a hold, from its own client or another',
    hazards: [1, 5],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      const { longTtlMs } = context.timing;
      for (const adapter of [one, two]) {
        const stranger = { key, owner: newOwner(), fencingToken: hold.fencingToken };
        assert.equal((await adapter.renew(stranger, longTtlMs)).status, 'lost', 'A stranger renewed a hold');
        assert.equal(await adapter.release(stranger), 'not-held', 'A stranger released a hold');
      }
      await context.assertBusy(two, key, 'strangers tried to renew and release it');
      assert.equal((await one.renew(hold, longTtlMs)).status, 'renewed', 'A stranger disturbed a hold');
      assert.equal(await one.release(hold), 'released', 'A stranger disturbed a hold');
    },
  },
  {
    id: 'LK-0022',
    level: 'MUST',
    rule: 'C-27',
    title: 'a stranger’s renewal does not prolong a hold',
    hazards: [5],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const old = await context.take(one, key, { ttlMs: context.timing.ttlMs });
      await two.renew({ key, owner: newOwner() }, context.timing.longTtlMs);
      await context.takeOver(two, key, old.sentAt + old.granted.validForMs);
    },
  },
  {
    id: 'LK-0023',
    level: 'MUST',
    rule: 'C-8',
    title: 'every hold has an owner value of its own, of at least 128 bits',
    hazards: [3],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      const handles = await Promise.all(Array.from({ length: 200 }, () => locks.acquire(context.key())));
      await Promise.all(handles.map((lock) => lock.release()));
      const again = await locks.acquire(handles[0]!.key);
      await again.release();
      const owners = commands
        .filter(({ name }) => name === 'tryAcquire' || name === 'enqueue')
        .map(({ owner }) => owner!);
      assert.equal(new Set(owners).size, 201, `201 holds had ${new Set(owners).size} owner values`);
      const shortest = Math.min(...owners.map(({ length }) => length));
      assert.ok(shortest >= 22, `An owner value of ${shortest} characters cannot carry 128 random bits`);
    },
  },
];

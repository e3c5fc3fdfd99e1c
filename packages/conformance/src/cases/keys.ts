import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { recorded } from '../recording.ts';
import { BARE, ENDINGS } from './key-names.ts';

const LONGEST_BYTES = 1_024;

/** Very long keys that differ only in one place. */
export function longKeys(context: Context): string[] {
  const ofLength = (end: string, filler = 'x') =>
    context.key().padEnd(LONGEST_BYTES - Buffer.byteLength(end), filler) + end;
  const base = ofLength('');
  return [
    base,
    `${base.slice(0, -1)}y`,
    base.slice(0, -1),
    `y${base.slice(1)}`,
    ofLength('🔒'),
    ofLength('/'),
    ofLength('', '/a'),
  ];
}

/** Names. */
export const keyCases: readonly Case[] = [
  {
    id: 'LK-0089',
    level: 'MUST',
    rule: 'C-99',
    title: 'over a hundred names that differ in case, spaces, slashes, braces or script are locks of their own',
    hazards: [17, 86],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const base = context.key();
      const names = [
        base,
        ...ENDINGS.map((ending) => base + ending),
        ...ENDINGS.map((ending) => `${base}${ending}end`),
      ];
      assert.equal(new Set(names).size, names.length);
      // All at once: one after another, the first lease could be over before the last lock is had.
      const holds = names.map((name) => context.attempt(name));
      const grants = await Promise.all(holds.map((attempt) => one.tryAcquire(attempt)));
      for (const [i, { status }] of grants.entries()) {
        assert.equal(status, 'granted', `Another of the names shares a lock with ${JSON.stringify(names[i])}`);
      }
      await Promise.all(names.map((name) => context.assertBusy(two, name, `${JSON.stringify(name)} is held`)));
      const renewals = await Promise.all(holds.map((hold) => one.renew(hold, context.timing.longTtlMs)));
      for (const [i, { status }] of renewals.entries()) assert.equal(status, 'renewed', JSON.stringify(names[i]));
      const releases = await Promise.all(holds.map((hold) => one.release(hold)));
      for (const [i, outcome] of releases.entries()) assert.equal(outcome, 'released', JSON.stringify(names[i]));
    },
  },
  {
    id: 'LK-0090',
    level: 'MUST',
    rule: 'C-100',
    title: 'keys of 1,024 bytes are not cut off: they differ by their last character, or by their length',
    hazards: [86],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const names = longKeys(context);
      for (const name of names) assert.ok(Buffer.byteLength(name) <= LONGEST_BYTES);
      const held = [];
      for (const [i, name] of names.entries()) {
        const lock = await one.tryAcquire(name);
        assert.ok(lock, `Long key ${i} shares its lock with an earlier one`);
        assert.equal(await two.tryAcquire(name), undefined, `Long key ${i} does not exclude`);
        held.push(lock);
      }
      assert.deepEqual(new Set(await Promise.all(held.map((lock) => lock.release()))), new Set(['released']));
    },
  },
  {
    id: 'LK-0091',
    level: 'MUST',
    rule: 'C-101',
    title: 'names of one or two characters that mean something elsewhere are ordinary names',
    hazards: [86],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      for (const name of BARE) {
        const hold = await context.take(one, name, { ttlMs: context.timing.leaseMs });
        const stranger = context.attempt(name, { ttlMs: context.timing.ttlMs });
        const { status } = await two.tryAcquire(stranger);
        const released = await one.release(hold);
        // A machine that stalled for a whole lease proves nothing.
        if (context.now() - hold.sentAt > hold.granted.validForMs) continue;
        assert.equal(status, 'busy', `${JSON.stringify(name)} does not exclude`);
        assert.equal(released, 'released', JSON.stringify(name));
        await two.release(stranger);
      }
    },
  },
  {
    id: 'LK-0092',
    level: 'MUST',
    rule: 'C-102',
    title: 'waiting, renewing and inspecting work for difficult names as for easy ones',
    hazards: [17, 40, 86],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const base = context.key();
      const names = ['{', '}', '{}x', '/a//b/', 'a b\n', '🔒é', '%2F', `${'日'.repeat(200)}`].map((end) => base + end);
      const trials = names.map(async (name) => {
        const lock = await one.acquire(name);
        const waiting = context.begin(two.using(name, (next) => next.key));
        await lock.renew();
        if (one.adapter.capabilities.fencing)
          assert.ok(lock.fencingToken! > 0n, `The fencing token is ${lock.fencingToken}, which is not above 0`);
        await context.sleep(context.timing.pollMs);
        assert.equal(await lock.release(), 'released', JSON.stringify(name));
        assert.equal(await context.soon(`the waiter for ${JSON.stringify(name)} is served`, waiting), name);
      });
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0093',
    level: 'MUST',
    rule: 'C-103',
    title: 'an empty key, one of 1,025 bytes, and what is no string are refused before anything is sent',
    hazards: [86],
    async run(context) {
      const locks = await context.locks();
      const illegal = ['', 'x'.repeat(1_025), '🔒'.repeat(257), undefined, null, 7, {}, ['a']] as string[];
      for (const key of illegal) {
        const expected = { code: 'LOCK_INVALID_ARGUMENT', retryable: false };
        const why = `An illegal key was taken: ${JSON.stringify(key)?.slice(0, 20)}`;
        await assert.rejects(async () => locks.acquire(key), expected, why);
        await assert.rejects(async () => locks.tryAcquire(key), expected, why);
        await assert.rejects(async () => locks.using(key, () => {}), expected, why);
        await assert.rejects(async () => locks.inspect(key), expected, why);
        await assert.rejects(async () => locks.forceRelease(key), expected, why);
      }
    },
  },
  {
    id: 'LK-0114',
    level: 'MUST',
    rule: 'C-104',
    title: 'a key with half of a surrogate pair is refused before anything is sent',
    hazards: [86],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      for (const key of ['\ud83d', 'a\udd12', '\udd12\ud83d']) {
        const expected = { code: 'LOCK_INVALID_ARGUMENT', retryable: false };
        await assert.rejects(async () => locks.acquire(key), expected, JSON.stringify(key));
        await assert.rejects(async () => locks.tryAcquire(key), expected, JSON.stringify(key));
      }
      assert.deepEqual(commands, []);
    },
  },
];

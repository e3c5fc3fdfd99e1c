import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { type Context, newOwner } from '../context.ts';
import { ALIKE, LENGTHS } from './alike.ts';
import { assertRelease } from './assert-release.ts';
import { assertStands, takeClaim } from './claim-holds.ts';
import { claimsOf } from './every-claim.ts';
import { CUTS, collision, HASHES } from './hashes.ts';

/** Fails unless a key and another one are locks of their own. */
async function assertApart(
  context: Context,
  clients: readonly LockAdapter[],
  names: readonly [string, string],
  what: string,
) {
  const [one, other] = [context.attempt(names[0]), context.attempt(names[1])];
  const [first, second] = [await clients[0]!.tryAcquire(one), await clients[1]!.tryAcquire(other)];
  const [released, also] = [await clients[0]!.release(one), await clients[1]!.release(other)];
  const shown = names.map((name) => JSON.stringify(name.slice(-40))).join(' and ');
  assert.equal(first.status, 'granted', `${shown}, ${what}: the first is busy, though nobody holds it`);
  assert.equal(second.status, 'granted', `${shown}, ${what}, share a lock`);
  assert.deepEqual([released, also], ['released', 'released'], `${shown}, ${what}, share a lock`);
}

/** Fails unless all these keys, held together, are locks of their own. */
async function assertAllApart(
  context: Context,
  clients: readonly LockAdapter[],
  names: readonly string[],
  what: string,
) {
  const attempts = names.map((name) => context.attempt(name));
  const grants = await Promise.all(attempts.map((attempt, i) => clients[i % clients.length]!.tryAcquire(attempt)));
  const releases = await Promise.all(attempts.map((attempt, i) => clients[i % clients.length]!.release(attempt)));
  for (const [i, { status }] of grants.entries()) {
    const shown = JSON.stringify(names[i]!.slice(-40));
    assert.equal(status, 'granted', `Of ${names.length} keys ${what}, ${shown} shares a lock with another one`);
    assert.equal(releases[i], 'released', `Of ${names.length} keys ${what}, ${shown} shares a lock with another one`);
  }
}

/** Fails unless another owner, however like the first, is another. */
async function assertStrangers(
  context: Context,
  adapter: LockAdapter,
  key: string,
  owner: string,
  other: string,
  what: string,
) {
  const hold = await context.take(adapter, key, { owner });
  const why = `Owner ${JSON.stringify(other)} was taken for ${JSON.stringify(owner)}, ${what}:`;
  const stranger = context.attempt(key, { owner: other });
  assert.equal((await adapter.tryAcquire(stranger)).status, 'busy', `${why} it was granted what the other holds`);
  assert.equal((await adapter.renew(stranger, context.timing.longTtlMs)).status, 'lost', `${why} it renewed`);
  assert.equal(await adapter.release(stranger), 'not-held', `${why} it released`);
  await assertRelease(adapter.release(hold));
}

/** A text that is changed in one place. */
const changed = (text: string, at: number): string =>
  `${text.slice(0, at)}${text[at] === 'y' ? 'z' : 'y'}${text.slice(at + 1)}`;

/** Keys and owner IDs that a lossy encoding or hash would confuse. */
export const nameCases: readonly Case[] = [
  {
    id: 'LK-0183',
    level: 'MUST',
    heavy: true,
    rule: 'C-99',
    title: 'keys that look alike, sound alike or mean the same elsewhere are locks of their own',
    hazards: [86],
    async run(context) {
      const clients = [await context.client(), await context.client()];
      const base = context.key();
      await assertAllApart(
        context,
        clients,
        [...new Set(ALIKE.flat())].map((text) => base + text),
        'which only look alike',
      );
      const beginnings = ['', ' ', '/', '\ufeff', '.', './', '~/', ':', '\u0000', '\n', '0', '-', '+', '#', '@', '{}'];
      const begun = beginnings.map((text) => text + base);
      await assertAllApart(context, clients, begun, 'which only begin otherwise');
    },
  },
  {
    id: 'LK-0184',
    level: 'MUST',
    heavy: true,
    rule: 'C-100',
    title: 'keys that differ in one place of up to 1,024 bytes are locks of their own, wherever that is',
    hazards: [86],
    async run(context) {
      const clients = [await context.client(), await context.client()];
      const long = context.key().padEnd(1_024, 'x');
      const from = context.key().length + 3;
      const places = new Set([127, 128, 191, 250, 255, 256, 511, 512, 767, 768, 1_022, 1_023]);
      for (let i = 0; i < 12; i++) places.add(Math.floor(context.random.between(from, 1_024)));
      const differing = [...places].map((at) => changed(long, at));
      await assertAllApart(context, clients, [long, ...differing], 'of 1,024 bytes, which differ in one place');
      const base = context.key();
      const lengths = LENGTHS.filter((length) => length > base.length).map((length) => base.padEnd(length, 'x'));
      await assertAllApart(context, clients, [base, ...lengths], 'which differ in their lengths');
    },
  },
  {
    id: 'LK-0185',
    level: 'MUST',
    heavy: true,
    rule: 'C-4',
    title: 'keys with the same hash, of any usual one or of few bits, are locks of their own',
    hazards: [17, 86],
    async run(context) {
      const clients = [await context.client(), await context.client()];
      const trials = Object.entries(HASHES).flatMap(([name, hash]) =>
        Object.entries(CUTS).map(async ([cut, cutOff]) => {
          const pair = collision(newOwner(), (bytes) => cutOff(hash(bytes)));
          if (pair) await assertApart(context, clients, pair, `which have the same ${cut} of ${name}`);
        }),
      );
      // The same CRC-32, whatever stands before; the same with any multiplier of 31.
      const known = [
        ['plumless', 'buckeroo'],
        ['AaAaBB', 'BBBBAa'],
        ['Ea', 'FB'],
      ] as const;
      for (const [a, b] of known) {
        const key = context.key();
        trials.push(assertApart(context, clients, [key + a, key + b], 'which have the same hash'));
      }
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0186',
    level: 'MUST',
    rule: 'C-4',
    title: 'thousands of keys that are held together are locks of their own: few bits of a hash would not do',
    hazards: [17],
    alone: true,
    async run(context) {
      const adapter = await context.client();
      const most = context.thorough ? 30_000 : 10_000;
      const held: { key: string; owner: string }[] = [];
      const batch = async () => {
        const attempts = Array.from({ length: 250 }, () => context.attempt(context.key()));
        const outcomes = await Promise.all(attempts.map((attempt) => adapter.tryAcquire(attempt)));
        held.push(...attempts);
        const shared = outcomes.findIndex(({ status }) => status !== 'granted');
        assert.equal(
          shared,
          -1,
          `One of ${held.length} keys that nobody uses is busy: it shares a lock with another one`,
        );
      };
      try {
        const startedAt = context.now();
        while (held.length < most && context.now() - startedAt < context.raceMs) await batch();
      } finally {
        for (let i = 0; i < held.length; i += 500)
          await Promise.allSettled(held.slice(i, i + 500).map((hold) => adapter.release(hold)));
      }
      context.measures.keysHeldTogether = held.length;
    },
  },
  {
    id: 'LK-0187',
    level: 'MUST',
    heavy: true,
    rule: 'C-10',
    title: 'owners that look alike, are long, or have the same hash are others',
    hazards: [4],
    async run(context) {
      const adapter = await context.client();
      const base = newOwner();
      const pairs: (readonly [string, string, string])[] = [];
      for (const [a, b] of ALIKE)
        pairs.push([base + a, base + b, 'which looks alike'], [`${a}${base}`, `${b}${base}`, 'which begins alike']);
      pairs.push(
        [base, base.toUpperCase(), 'in other letters'],
        [base, ` ${base}`, 'without spaces'],
        [base, base.slice(1), 'cut off'],
      );
      for (const length of LENGTHS) {
        const owner = base.padEnd(length, 'q').slice(0, length);
        pairs.push(
          [owner, `${owner}q`, `of ${length} characters`],
          [`${owner}y${base}`, `${owner}z${base}`, `in place ${length}`],
        );
      }
      for (const [name, hash] of Object.entries(HASHES)) {
        const pair = collision(base, (bytes) => hash(bytes) & 0xffffff);
        if (pair) pairs.push([...pair, `with the same ${name} hash`]);
      }
      // Some keys, each for one pair after another.
      const lanes = Array.from({ length: 8 }, (_, lane) => {
        const key = context.key();
        const mine = pairs.filter((_, i) => i % 8 === lane);
        return mine.reduce(
          (before, [owner, other, what]) =>
            before.then(() => assertStrangers(context, adapter, key, owner, other, what)),
          Promise.resolve(),
        );
      });
      await Promise.all(lanes);
    },
  },
  {
    id: 'LK-0188',
    level: 'MUST',
    rule: 'C-160',
    title: 'a key and an owner are two: what one ends with does not count for the other',
    hazards: [4, 86],
    async run(context) {
      const adapter = await context.client();
      const trial = async (claim: Claim, between: string) => {
        const [key, owner] = [context.key(), newOwner()];
        const hold = await takeClaim(context, adapter, `${key}${between}x`, claim, { owner });
        const other = context.attempt(key, { owner: `x${between}${owner}`, claim });
        const why = `of a free key: another one goes on with ${JSON.stringify(between)}`;
        assert.equal((await adapter.renew(other, context.timing.longTtlMs)).status, 'lost', `A renewal ${why}`);
        const [answer] = (await adapter.renewMany?.([other], context.timing.longTtlMs)) ?? [];
        assert.equal(answer?.status ?? 'lost', 'lost', `A joint renewal ${why}`);
        assert.equal(await adapter.release(other), 'not-held', `A release ${why}`);
        assert.equal(
          (await adapter.tryAcquire(other)).status,
          'granted',
          `A key shares a lock with one that goes on with ${JSON.stringify(between)}`,
        );
        assert.equal(
          await adapter.release({ key, owner, claim }),
          'not-held',
          'An owner released a key that another owner holds',
        );
        await assertRelease(adapter.release(other));
        await assertStands(context, hold, `a key was released that it goes on with ${JSON.stringify(between)}`);
        await assertRelease(adapter.release(hold));
      };
      for (const between of [':', '/', '|', '-', '_', ',', ' ', '\u0000', '.', ''])
        await Promise.all(claimsOf(context).map((claim) => trial(claim, between)));
    },
  },
];

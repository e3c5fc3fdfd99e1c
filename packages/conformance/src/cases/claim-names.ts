import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { type Context, newOwner } from '../context.ts';
import { ALIKE } from './alike.ts';
import { assertRelease } from './assert-release.ts';
import { allGranted, assertStands, assertWaiting, nameOf, releaseWaiter, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

type Clients = readonly [LockAdapter, LockAdapter];

/** Two owner IDs that begin alike, or differ in one character only. */
const PAIRS: readonly ((owner: string) => readonly [string, string])[] = [
  (owner) => [owner, `${owner}0`],
  (owner) => [`${owner}0`, owner],
  (owner) => [`${owner}aa`, `${owner}aA`],
  (owner) => [`${owner}${owner}1`, `${owner}${owner}2`],
  (owner) => [`${owner} `, owner],
  (owner) => [`${owner}:1`, `${owner}:1:1`],
  (owner) => [`${owner}é`, `${owner}e\u0301`],
  (owner) => [`${owner},x`, owner],
  (owner) => [`${owner} 1\n`, `${owner} 1`],
];

/** What an owner does to a hold of another one that it is like. */
async function assertStranger(
  context: Context,
  [one, two]: Clients,
  claim: Claim,
  [mine, other]: readonly [string, string],
) {
  const key = context.key();
  const hold = await takeClaim(context, one, key, claim, { owner: mine });
  const ref = { key, owner: other, claim };
  const why = `of ${JSON.stringify(other)}, which was taken for ${JSON.stringify(mine)}, which had ${nameOf(claim)}`;
  const [answer] = (await one.renewMany?.([ref], context.timing.longTtlMs)) ?? [];
  assert.equal(answer?.status ?? 'lost', 'lost', `A joint renewal ${why}`);
  assert.equal((await one.renew(ref, context.timing.longTtlMs)).status, 'lost', `A renewal ${why}`);
  const downgraded = one.downgrade && claim.mode !== 'permits' && (await one.downgrade(ref, context.timing.longTtlMs));
  assert.equal((downgraded || undefined)?.status ?? 'lost', 'lost', `A downgrade ${why}`);
  if (context.forcesByName) assert.equal(await two.forceRelease!(key, other), false, `A forced release ${why}`);
  assert.equal(await one.release(ref), 'not-held', `A release ${why}`);
  if (claim.mode !== 'exclusive') {
    const third = await takeClaim(context, two, key, claim);
    assert.equal(await one.release(ref), 'not-held', `A release beside others ${why}`);
    const beside = await takeClaim(context, two, key, claim, { owner: other });
    await assertRelease(two.release(beside));
    assert.equal(await two.release(beside), 'not-held', `A second release ${why}`);
    await assertRelease(two.release(third));
  }
  await assertStands(context, hold, 'others asked whose owner IDs are like its own');
  await assertRelease(one.release(hold));
}

/** Two waiters with such owner IDs have two places. */
async function assertTwoPlaces(context: Context, [one, two]: Clients, claim: Claim, owners: readonly [string, string]) {
  const key = context.key();
  const hold = await takeClaim(context, one, key, wholeOf(claim));
  const leaving = new AbortController();
  const stays = await join(context, two, key, { claim: wholeOf(claim), owner: owners[0] });
  const leaves = await join(context, two, key, { claim: wholeOf(claim), owner: owners[1], signal: leaving.signal });
  leaving.abort(new Error('a waiter of this case leaves'));
  await context.soon('who leaves is answered', Promise.allSettled([leaves.granted]));
  await two.release(leaves.attempt);
  await assertRelease(one.release(hold));
  await allGranted(context, 'a waiter is granted: another one left, whose owner ID is like its own', [stays]);
  await releaseWaiter(stays);
}

/** A key that nobody holds, and one that is like it and held, whatever is asked. */
async function assertOtherKey(
  context: Context,
  [one, two]: Clients,
  claim: Claim,
  [held, free]: readonly [string, string],
) {
  const hold = await takeClaim(context, one, held, wholeOf(claim));
  const waiter = one.enqueue && (await join(context, two, held, { claim }));
  const why = `of ${JSON.stringify(free.slice(-9))}, a key that is like ${JSON.stringify(held.slice(-9))}, which is held`;
  const ref = { ...hold, key: free };
  assert.equal(await two.inspect?.(free), undefined, `inspect ${why}`);
  assert.equal((await one.renew(ref, context.timing.longTtlMs)).status, 'lost', `A renewal ${why}`);
  const [answer] = (await one.renewMany?.([ref], context.timing.longTtlMs)) ?? [];
  assert.equal(answer?.status ?? 'lost', 'lost', `A joint renewal ${why}`);
  assert.equal(await one.release(ref), 'not-held', `A release ${why}`);
  assert.equal((await two.forceRelease?.(free)) ?? false, false, `A forced release ${why}`);
  if (waiter) {
    const other = await join(context, one, free, { claim });
    await allGranted(context, `a free key is granted by the queue, ${why}`, [other]);
    await releaseWaiter(other);
    await assertWaiting(context, [waiter], 'it was not its key that was released, but one that is like it');
  }
  await assertRelease(one.release(hold));
  if (!waiter) return;
  await allGranted(context, 'a waiter is granted after the release of its key', [waiter]);
  await releaseWaiter(waiter);
}

/** The queue of a free key, while one that is like it is held. */
async function assertOtherPlace(context: Context, [one, two]: Clients, [held, free]: readonly [string, string]) {
  const base = context.key();
  const hold = await context.take(one, base + held);
  const waiter = await join(context, two, base + held);
  const other = await join(context, one, base + free);
  const shown = [free, held].map((text) => JSON.stringify(text)).join(', which is free, is like ');
  await allGranted(context, `a free key is granted by the queue: the key ${shown}, which is held`, [other]);
  await releaseWaiter(other);
  await assertRelease(one.release(hold));
  await allGranted(context, 'a waiter is granted after the release of its key', [waiter]);
  await releaseWaiter(waiter);
}

/** Names that are like others, wherever they are used. */
export const claimNameCases: readonly Case[] = [
  {
    id: 'LK-0302',
    level: 'MUST',
    heavy: true,
    rule: 'C-10',
    title: 'owners that are like others are strangers to every call, for every kind of hold, and in the queue',
    hazards: [4],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const trials = claimsOf(context).flatMap((claim) =>
        PAIRS.flatMap((pair) => [
          assertStranger(context, clients, claim, pair(newOwner())),
          ...(clients[0].enqueue ? [assertTwoPlaces(context, clients, claim, pair(newOwner()))] : []),
        ]),
      );
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0303',
    level: 'MUST',
    heavy: true,
    rule: 'C-99',
    title: 'keys that are like others are keys of their own to every call, for every kind of hold, and in the queue',
    hazards: [86],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const drawn = Array.from({ length: 4 }, () => context.random.pick([...ALIKE]));
      const pairs = [['a', 'A'], ['', ' '], ['', '/'], ['/', '//'], ['{a}', '{a}b'], ['', ':1'], ...drawn] as const;
      const trials = pairs.map((pair, i) => {
        const base = context.key();
        const [held, free] = i % 2 ? [pair[0]!, pair[1]!] : [pair[1]!, pair[0]!];
        const claims = claimsOf(context);
        return assertOtherKey(context, clients, claims[i % claims.length]!, [base + held, base + free]);
      });
      // Places are kept by their key too, in another way perhaps.
      const many = clients[0].enqueue ? ALIKE : [];
      const some = context.latencyMs < 1 ? many : many.filter(() => context.random.next() < 0.15);
      trials.push(...some.map((pair) => assertOtherPlace(context, clients, pair)));
      await Promise.all(trials);
    },
  },
];

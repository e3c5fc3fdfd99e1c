import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { type Context, newOwner, type RawHold } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { allGranted, releaseWaiter } from './claim-holds.ts';
import { join } from './join-queue.ts';
import { ENDINGS } from './key-names.ts';
import { longKeys } from './keys.ts';
import { assertRemaining } from './promised-leases.ts';

type Clients = readonly [LockAdapter, LockAdapter];

/** What owner IDs end with, too: they are longer than those that most cases draw, and no plain digits. */
const OWNER_ENDINGS = ['', ' ', ':1', 'A', 'e\u0301', '\n', '*', '0'.repeat(97)] as const;

/** All are renewed together, and then have the lease that was promised. */
async function assertRenewed(context: Context, [one, two]: Clients, holds: readonly RawHold[]): Promise<void> {
  const ttlMs = 2 * context.timing.longTtlMs;
  const sentAt = context.now();
  const answers = await one.renewMany!(holds, ttlMs);
  const answeredAt = context.now();
  const looks = holds.map(async ({ key }, i) => {
    const answer = answers[i]!;
    const name = JSON.stringify(key.slice(-12));
    assert.equal(answer.status, 'renewed', `A joint renewal of a hold that stands, of a key that ends in ${name}`);
    if (answer.status !== 'renewed' || !two.inspect || context.harness.capabilities.expiry !== 'ttl') return;
    const lease = { sentAt, answeredAt, ttlMs, validForMs: answer.validForMs };
    await assertRemaining(context, two, key, `of a key that ends in ${name}, renewed with others`, lease);
  });
  await Promise.all(looks);
}

/** A waiter is notified of the release, and a forced release frees the key. */
async function assertPassedOn(context: Context, [one, two]: Clients, hold: RawHold): Promise<void> {
  const { key } = hold;
  const what = (done: string) => `${done}, of a key that ends in ${JSON.stringify(key.slice(-12))}`;
  const waiter = two.enqueue && (await join(context, two, key));
  const { signal } = new AbortController();
  if (two.whenFree) await context.soon(what('the subscription stands'), two.whenFree(key, signal));
  const hint = two.whenFree && context.begin(two.whenFree(key, signal));
  await assertRelease(one.release(hold));
  if (hint) await context.soon(what('a hint comes after the release'), hint);
  if (waiter) await allGranted(context, what('a waiter is granted after the release'), [waiter]);
  if (waiter) await releaseWaiter(waiter);
  if (!one.forceRelease) return;
  const last = await context.take(two, key);
  assert.equal(await one.forceRelease(key), true, what('A forced release frees nothing'));
  await context.assertFree(one, key, what('it was released by force'));
  assert.equal(await two.release(last), 'not-held', what('A hold that was released by force'));
}

/** Difficult names, wherever they are used. */
export const nameEverywhereCases: readonly Case[] = [
  {
    id: 'LK-0361',
    level: 'MUST',
    heavy: true,
    rule: 'C-102',
    title: 'over a hundred difficult names, of keys and of owners: all that can be asked works for each of them',
    hazards: [17, 86],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const [one, two] = clients;
      const base = context.key();
      const names = [...ENDINGS.map((ending) => base + ending), ...longKeys(context)];
      const owner = (i: number) => newOwner() + OWNER_ENDINGS[i % OWNER_ENDINGS.length]!;
      const holds = await Promise.all(names.map((name, i) => context.take(one, name, { owner: owner(i) })));
      const look = async (hold: RawHold) => {
        const info = await two.inspect!(hold.key);
        const seen = { owner: info?.owner, fencingToken: info?.fencingToken };
        assert.deepEqual(
          seen,
          { owner: hold.owner, fencingToken: hold.fencingToken },
          `inspect of a key that ends in ${JSON.stringify(hold.key.slice(-12))}`,
        );
      };
      if (two.inspect) await Promise.all(holds.map(look));
      if (one.renewMany) await assertRenewed(context, clients, holds);
      // Those of a slow backend wait for one another.
      const some = context.latencyMs < 5 ? holds : holds.filter(() => context.random.next() < 0.3);
      await Promise.all(some.map((hold) => assertPassedOn(context, clients, hold)));
      await Promise.all(holds.filter((hold) => !some.includes(hold)).map((hold) => one.release(hold)));
    },
  },
];

import assert from 'node:assert/strict';
import type { Claim, InspectedLock, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { latestEnd } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';
import { exclusive, holdOf, kindOf, nameOf, shared, takeClaim } from './claim-holds.ts';
import { claimsOf, sharedClaimsOf, wholeOf } from './every-claim.ts';
import { join, queued } from './join-queue.ts';
import { keysOf } from './listing.ts';
import { assertRemaining } from './promised-leases.ts';

async function look(adapter: LockAdapter, key: string): Promise<InspectedLock> {
  const info = await adapter.inspect!(key);
  assert.ok(info, 'inspect reports a held key as free');
  return info;
}

/** Of several holders with different leases, `inspect` reports the first until it leaves. */
async function earliestOfThree(context: Context, adapters: readonly [LockAdapter, LockAdapter], claim: Claim) {
  const [one, two] = adapters;
  const key = context.key();
  const holds = [];
  for (const factor of [2, 3, 1])
    holds.push(await takeClaim(context, [one, two][factor % 2]!, key, claim, { ttlMs: factor * 61_331, tokens: 3 }));
  for (const [i, hold] of holds.entries()) {
    const ttlMs = [2, 3, 1][i]! * 61_331;
    const how = `the first of ${3 - i} with ${nameOf(claim)}`;
    if (context.harness.capabilities.expiry === 'ttl') {
      const lease = { sentAt: hold.sentAt, answeredAt: context.now(), ttlMs, validForMs: hold.granted.validForMs };
      await assertRemaining(context, two, key, how, lease);
    }
    const { fencingToken } = await look(one, key);
    // Where tokens are revisions, readers carry that of the first of them (C-196), and `inspect` reports their own.
    if (i === 0 || claim.mode !== 'shared')
      assert.equal(fencingToken, hold.fencingToken, `The token that inspect tells of ${how}`);
    await assertRelease(hold.adapter.release(hold));
  }
}

/** The waiters that `inspect` counts, if it counts any: all that are present, with any claim. */
async function waitersOf(context: Context, [one, two]: readonly [LockAdapter, LockAdapter], claim: Claim) {
  const key = context.key();
  const hold = await takeClaim(context, one, key, wholeOf(claim));
  const leaving = new AbortController();
  const waiters = [
    await join(context, two, key, { claim }),
    await join(context, one, key, { claim: wholeOf(claim), signal: leaving.signal }),
    await join(context, two, key, { claim }),
  ];
  await queued(context, two, key, 3);
  leaving.abort(new Error('a waiter of this case leaves'));
  await context.soon('who leaves is answered', Promise.allSettled([waiters[1]!.granted]));
  await waiters[1]!.adapter.release(waiters[1]!.attempt);
  await queued(context, one, key, 2);
  const { owner, holders = 1, mode = 'exclusive', limit } = await look(two, key);
  assert.deepEqual(
    { owner, holders, mode, limit },
    {
      owner: hold.owner,
      holders: 1,
      mode: wholeOf(claim).mode,
      limit: claim.mode === 'permits' ? claim.limit : undefined,
    },
    'inspect of a key that others wait for',
  );
  await assertRelease(one.release(hold));
  for (const waiter of [waiters[0]!, waiters[2]!]) {
    await context.soon('those who waited are granted', waiter.granted);
    await assertRelease(waiter.adapter.release(waiter.attempt));
  }
}

/** `since`, if the backend reports it: the time of the grant, whatever came before or after it. */
async function sinceOf(context: Context, [one, two]: readonly [LockAdapter, LockAdapter], claim: Claim) {
  const key = context.key();
  const hold = await takeClaim(context, one, key, wholeOf(claim));
  const { since } = await look(two, key);
  if (since === undefined) return;
  assert.ok(since instanceof Date, `since must be a Date or undefined, not ${String(since)}`);
  const waiter = two.enqueue && (await join(context, two, key, { claim }));
  await context.sleep(context.timing.quietMs);
  await one.renew(hold, context.timing.longTtlMs);
  await one.renewMany?.([hold], context.timing.longTtlMs);
  await takeClaim(context, one, key, wholeOf(claim), { owner: hold.owner });
  const again = (await look(two, key)).since;
  assert.deepEqual(
    again,
    since,
    `inspect told of ${holdOf(claim)}, when it was renewed, another time since when it was held`,
  );
  await assertRelease(one.release(hold));
  if (waiter) await context.soon('who waited is granted', waiter.granted);
  else await takeClaim(context, two, key, claim);
  const laterMs = (await look(one, key)).since!.getTime() - since.getTime();
  // A backend that counts in seconds may tell the same one twice.
  assert.ok(
    laterMs >= context.timing.quietMs / 2 - context.harness.capabilities.ttl.granularityMs,
    `A key is held since ${laterMs} ms after the hold before began, which lasted ${context.timing.quietMs} ms`,
  );
  if (waiter) await assertRelease(two.release(waiter.attempt));
}

/** What `inspect`, `keys` and busy answers tell of holds of all kinds. */
export const claimLookCases: readonly Case[] = [
  {
    id: 'LK-0294',
    level: 'MUST',
    rule: 'C-263',
    title: 'inspect tells lease, token and time of the first holder, and the waiters, whatever is held and asked for',
    hazards: [],
    needs: ['inspect'],
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const [one, two] = clients;
      const trials = claimsOf(context).map((claim) => sinceOf(context, clients, claim));
      trials.push(...sharedClaimsOf(context).map((claim) => earliestOfThree(context, clients, claim)));
      if (one.enqueue) trials.push(...claimsOf(context).map((claim) => waitersOf(context, clients, claim)));
      await Promise.all(trials);
      if (!context.harness.capabilities.shared) return;
      const writer = await takeClaim(context, one, context.key(), exclusive, { tokens: 5 });
      await one.downgrade!(writer, context.timing.longTtlMs);
      const reader = await takeClaim(context, two, writer.key, shared);
      const { owner, mode, holders, fencingToken } = await look(two, writer.key);
      assert.deepEqual(
        { owner, mode, holders, fencingToken },
        { owner: writer.owner, mode: 'shared', holders: 2, fencingToken: writer.fencingToken },
        'inspect of a writer that downgraded, and a reader',
      );
      await assertRelease(one.release({ ...writer, claim: shared }));
      await assertRelease(two.release(reader));
    },
  },
  {
    id: 'LK-0295',
    level: 'MUST',
    rule: 'C-7',
    title: 'retryAfterMs never points beyond the last lease of those who hold a key, also when all were renewed',
    hazards: [82],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { capabilities } = context.harness;
      const { longTtlMs } = context.timing;
      const longestMs = longTtlMs + 10_656;
      for (const claim of claimsOf(context)) {
        const key = context.key();
        const holds = [await takeClaim(context, one, key, claim)];
        if (claim.mode !== 'exclusive')
          for (const ttlMs of [longestMs, longTtlMs + 6_482])
            holds.push(await takeClaim(context, two, key, claim, { ttlMs }));
        const assertWithin = async (leaseMs: number) => {
          const latest = latestEnd(capabilities, leaseMs, context.now());
          const askedAt = context.now();
          const answer = await two.tryAcquire(context.attempt(key, { claim: wholeOf(claim) }));
          assert.equal(answer.status, 'busy', `A request must be told "busy": there is ${holdOf(claim)}`);
          const { retryAfterMs = 0 } = answer as { retryAfterMs?: number };
          const most = latest - askedAt + 1;
          assert.ok(retryAfterMs <= most, `retryAfterMs is ${retryAfterMs}, but all leases are over in ${most} ms`);
        };
        await assertWithin(longestMs);
        // Beyond what a timer and 32 bits can hold, and then shorter than before.
        for (const ttlMs of [2 ** 31 + 9_551, 2 ** 32 + 7_013, Math.ceil(longTtlMs / 2) + 7]) {
          for (const hold of holds) await hold.adapter.renew(hold, ttlMs);
          await assertWithin(ttlMs);
        }
        for (const hold of holds) await assertRelease(hold.adapter.release(hold));
      }
    },
  },
  {
    id: 'LK-0296',
    level: 'MUST',
    rule: 'C-264',
    title: 'keys names what is held, whatever it is held for, renewed, downgraded and waited for',
    hazards: [],
    needs: ['keys'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const keys = new Map<string, string>();
      const waiters = [];
      const takenOver: string[] = [];
      // What was named before is no answer for later.
      await two.keys!();
      for (const claim of claimsOf(context)) {
        const take = async (what: string) => {
          const hold = await takeClaim(context, one, context.key(), claim);
          keys.set(hold.key, `${kindOf(claim)}, ${what}`);
          return hold;
        };
        await take('as granted');
        await one.renew(await take('renewed'), context.timing.longTtlMs);
        await one.renew(await take('renewed for weeks'), 2 ** 31 + 8_117);
        const { key: same, owner } = await take('asked for again');
        await takeClaim(context, one, same, claim, { owner });
        if (claim.mode === 'exclusive') {
          const { downgrade } = one;
          const downgraded = await take('downgraded');
          await downgrade?.call(one, downgraded, context.timing.longTtlMs);
        }
        const { key } = await take('waited for');
        if (two.enqueue) waiters.push(await join(context, two, key, { claim: wholeOf(claim) }));
        if (two.enqueue) {
          const before = await takeClaim(context, one, context.key(), wholeOf(claim));
          const waiter = await join(context, two, before.key, { claim });
          await one.release(before);
          await context.soon('a waiter is granted after the release', waiter.granted);
          keys.set(before.key, `${kindOf(claim)}, granted by the queue`);
          waiters.push(waiter);
        }
        if (claim.mode !== 'exclusive') {
          const [left, forced] = [
            await take('after one of two was released'),
            await take('after one of two was forced'),
          ];
          await two.release(await takeClaim(context, two, left.key, claim));
          const beside = await takeClaim(context, two, forced.key, claim);
          if (context.forcesByName) await one.forceRelease!(forced.key, beside.owner);
        }
        if (context.harness.capabilities.expiry === 'ttl') {
          const before = await takeClaim(context, one, context.key(), wholeOf(claim), { ttlMs: context.timing.ttlMs });
          takenOver.push(before.key);
          keys.set(before.key, `${kindOf(claim)}, taken over when the lease before had ended`);
        }
      }
      await Promise.all(takenOver.map((key, i) => takeClaim(context, two, key, claimsOf(context)[i]!)));
      const named = await keysOf(context, two);
      const missing = [...keys].filter(([key]) => !named.has(key)).map(([, what]) => what);
      assert.deepEqual(missing, [], 'Keys that are held, and that keys leaves out');
      for (const { attempt, adapter } of waiters) await adapter.release(attempt);
    },
  },
];

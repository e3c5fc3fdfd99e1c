import assert from 'node:assert/strict';
import type { Claim, Granted, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';
import { holdOf, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join, queued, type Waiter } from './join-queue.ts';

function isGranted({ grantedAt, failure }: Waiter): boolean {
  // An adapter that does not know whether a place still stands says so: then it is no place, and those behind it are next.
  if (failure !== undefined) throw failure;
  return grantedAt !== undefined;
}

/** A hold that others wait for, and what its owner may do with it all the same. */
async function waitedFor(
  context: Context,
  [one, two, three]: readonly [LockAdapter, LockAdapter, LockAdapter],
  claim: Claim,
): Promise<void> {
  const key = context.key();
  const hold = await takeClaim(context, one, key, claim);
  const waiters = [
    await join(context, two, key, { claim: wholeOf(claim) }),
    await join(context, three, key, { claim: wholeOf(claim) }),
  ];
  const of = `of ${holdOf(claim)} that others wait for`;
  const renewed = await one.renew(hold, context.timing.longTtlMs);
  assert.equal(renewed.status, 'renewed', `The renewal ${of}`);
  const [jointly] = (await one.renewMany?.([hold], context.timing.longTtlMs)) ?? [];
  assert.equal(jointly?.status ?? 'renewed', 'renewed', `The joint renewal ${of}`);
  const attempt = context.attempt(key, { owner: hold.owner, claim });
  const again = await one.tryAcquire(attempt);
  assert.equal(again.status, 'granted', `The request of the owner ${of}`);
  const queued = await context.soon(
    `enqueue of the owner ${of} is answered at once`,
    one.enqueue!(attempt, attempt.signal),
  );
  for (const { fencingToken } of [again as Granted, queued])
    assert.equal(fencingToken, hold.fencingToken, `Asking again changed the token ${of}`);
  assert.equal((await one.inspect?.(key))?.owner ?? hold.owner, hold.owner, 'inspect names a waiter as the holder');
  for (const waiter of waiters) {
    const stolen = await waiter.adapter.renew(waiter.attempt, context.timing.longTtlMs);
    assert.equal(stolen.status, 'lost', 'A waiter could renew a hold that it waits for');
  }
  assert.equal(waiters.some(isGranted), false, 'A waiter was granted while the hold was renewed');
  await assertRelease(one.release(hold));
  for (const waiter of waiters) {
    await context.soon('the next waiter is granted', waiter.granted);
    await assertRelease(waiter.adapter.release(waiter.attempt));
  }
}

/** Two calls of one owner, with these TTLs, behind a holder and before another waiter. */
async function enqueueTwice(context: Context, firstMs: number, againMs: number): Promise<void> {
  const [one, two, three] = [await context.client(), await context.client(), await context.client()];
  const key = context.key();
  const hold = await context.take(one, key);
  const first = await join(context, two, key, { ttlMs: firstMs });
  const next = await join(context, three, key);
  const twice = await join(context, two, key, { owner: first.attempt.owner, ttlMs: againMs });
  await queued(context, one, key, 2);
  await one.release(hold);
  const answers = await context.soon(
    'both calls of one owner are answered',
    Promise.allSettled([first.granted, twice.granted]),
  );
  const tokens = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.fencingToken] : []));
  assert.ok(tokens.length > 0, 'An owner that enqueued twice was not granted');
  assert.equal(new Set(tokens).size, 1, 'Two calls of one owner have different fencing tokens');
  // One place, so that the answer to the second call may be that to the first.
  const until = answers.map((answer) => (answer.status === 'fulfilled' ? first.calledAt + answer.value.validForMs : 0));
  const left = (await one.inspect?.(key))?.remainingMs;
  const leastMs = Math.max(...until) - context.now() - context.harness.capabilities.ttl.granularityMs;
  if (left !== undefined)
    context.assertNotEarly(
      leastMs - left,
      `An owner that enqueued twice was promised ${Math.round(leastMs)} ms more; inspect says ${left}`,
    );
  await assertRelease(two.release(first.attempt));
  await context.soon('the next in the queue is granted, when an owner with two calls has released', next.granted);
  assert.equal(await two.release(first.attempt), 'not-held', 'An owner that had released holds the key again');
  await assertRelease(three.release(next.attempt));
  await context.assertFree(one, key, 'all have released it; an owner that enqueued twice has one place');
}

/** What the backend's queue promises to its waiters. */
export const queuePromiseCases: readonly Case[] = [
  {
    id: 'LK-0169',
    level: 'MUST',
    long: true,
    rule: 'C-154',
    title: 'who is granted by the queue has the lease that it is promised, counted from its call',
    hazards: [47],
    needs: ['enqueue'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const { ttlMs, leaseMs } = context.timing;
      const trial = async (askedMs: number, end: 'release' | 'expiry') => {
        const key = context.key();
        const hold = await context.take(one, key, { ttlMs: end === 'expiry' ? ttlMs : context.timing.longTtlMs });
        const waiter = await join(context, two, key, { ttlMs: askedMs });
        await context.sleep(context.timing.pollMs * 2);
        if (end === 'release') await one.release(hold);
        const granted = await context.soon('the waiter is granted', waiter.granted);
        const info = await three.inspect?.(key);
        const seenAt = context.now();
        const least = waiter.calledAt + granted.validForMs - seenAt - context.harness.capabilities.ttl.granularityMs;
        if (info?.remainingMs !== undefined && least > 0)
          context.assertNotEarly(
            least - info.remainingMs,
            `The queue promised ${Math.round(granted.validForMs)} ms from the call; ${Math.round(info.remainingMs)} are left where ${Math.round(least)} should be`,
          );
        await context.takeOver(three, key, waiter.calledAt + granted.validForMs);
      };
      await Promise.all([
        trial(leaseMs, 'release'),
        trial(leaseMs + 31, 'expiry'),
        trial(Math.ceil(ttlMs * 1.3), 'release'),
      ]);
    },
  },
  {
    id: 'LK-0170',
    level: 'MUST',
    long: true,
    rule: 'C-153',
    title: 'a hold that ends by itself passes to one waiter, the first, and to nobody who comes later',
    hazards: [38],
    needs: ['enqueue'],
    requires: { expiry: 'ttl', fairness: 'fifo' },
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const { ttlMs } = context.timing;
      const { capabilities } = context.harness;
      /** Gives whether a request came just when the hold had ended: a busy machine may miss that. */
      const trial = async (): Promise<boolean> => {
        let inTime = false;
        const key = context.key();
        await context.take(clients[0]!, key, { ttlMs });
        const endsAt = context.now() + longestLease(capabilities, ttlMs);
        const waiters: Waiter[] = [];
        for (let i = 0; i < 3; i++) waiters.push(await join(context, clients[i % 3]!, key));
        await context.until(endsAt - 30 - context.latencyMs);
        // Others send requests all the time: none of them may overtake a waiter in the queue.
        while (!waiters.some(isGranted) && context.now() < endsAt + context.boundMs) {
          const passer = context.attempt(key);
          inTime ||= Math.abs(context.now() - endsAt - 5) < 15;
          const { status } = await clients[2]!.tryAcquire(passer);
          assert.equal(
            status,
            'busy',
            'A request passed those who were queued, when the hold before them ended by itself',
          );
          await context.sleep(1);
        }
        await context.sleep(context.timing.pollMs + context.latencyMs);
        assert.deepEqual(
          waiters.map(isGranted),
          [true, false, false],
          'Of three queued waiters, who was granted when the hold before them ended by itself',
        );
        for (const [i, waiter] of waiters.entries()) {
          await context.soon('the next in the queue is granted', waiter.granted);
          const others = waiters.filter((each, j) => j > i && isGranted(each)).length;
          assert.equal(others, 0, `${others} more waiters hold the key beside the one whose turn it is`);
          await assertRelease(waiter.adapter.release(waiter.attempt));
        }
        return inTime;
      };
      await context.race(async () => (await Promise.all(Array.from({ length: 6 }, trial))).filter(Boolean).length, {
        most: 4,
        withinMs: 3_900,
      });
    },
  },
  {
    id: 'LK-0171',
    level: 'MUST',
    rule: 'C-155',
    title: 'a hold that others wait for is renewed, asked for again and looked at like any other',
    hazards: [],
    needs: ['enqueue'],
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()] as const;
      await Promise.all(claimsOf(context).map((claim) => waitedFor(context, clients, claim)));
    },
  },
  {
    id: 'LK-0172',
    level: 'MUST',
    rule: 'C-156',
    title: 'an owner that enqueues twice has one place and one hold: after its release it is not granted again',
    hazards: [64],
    needs: ['enqueue'],
    async run(context) {
      const { longTtlMs, leaseMs } = context.timing;
      await Promise.all([enqueueTwice(context, longTtlMs, leaseMs), enqueueTwice(context, leaseMs, longTtlMs)]);
    },
  },
  {
    id: 'LK-0173',
    level: 'MUST',
    rule: 'C-87',
    title: 'the tokens that a queued grant reserves are given to no later hold',
    hazards: [62],
    needs: ['enqueue'],
    requires: { fencing: true },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const first = await context.take(one, key);
      let last = first.fencingToken!;
      let holder: { readonly key: string; readonly owner: string } = first;
      for (const tokens of [7, 1, 733, 5]) {
        const waiter = await join(context, two, key, { tokens });
        await one.release(holder);
        const granted = await context.soon('the waiter is granted', waiter.granted);
        const reserved = granted.tokens ?? 1;
        assert.ok(reserved <= tokens, `A waiter asked for ${tokens} tokens, and ${reserved} were reserved`);
        assert.ok(
          granted.fencingToken! > last,
          `A queued grant has token ${granted.fencingToken}, but the hold before it had reserved up to ${last}`,
        );
        last = granted.fencingToken! + BigInt(reserved) - 1n;
        holder = waiter.attempt;
      }
      await two.release(holder);
      const next = await context.take(one, key);
      assert.ok(next.fencingToken! > last, `After a block up to ${last} came token ${next.fencingToken}`);
    },
  },
];

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { AcquireAttempt, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { assertClaimBusy, assertStands, exclusive, permits, shared, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

/** What a client that was closed answers, if it does: to a call that hangs there is no answer, as to one that rejects. */
async function answerOf<T>(context: Context, ask: () => Promise<T>): Promise<T | undefined> {
  const asked = (async () => ask())();
  return context.soon('a closed client answers', asked, context.timing.graceMs).catch(() => undefined);
}

/** What a closed client says of several holds, of a list of keys, and of a hold that it should free. */
async function assertNoUntrueList(context: Context, closed: LockAdapter, other: LockAdapter, held: AcquireAttempt) {
  const foreign = await takeClaim(context, other, context.key(), exclusive);
  const forced = await takeClaim(context, other, context.key(), exclusive);
  const [renewed, page, freed] = await Promise.all([
    answerOf(context, async () => closed.renewMany?.([held], context.timing.longTtlMs)),
    answerOf(context, async () => closed.keys?.()),
    answerOf(context, async () => closed.forceRelease?.(forced.key)),
  ]);
  if (renewed)
    assert.equal(
      await context.isHeld(other, held.key),
      renewed[0]?.status === 'renewed',
      `A client that was closed says "${renewed[0]?.status}" of a hold that it renews with others, and that is not true`,
    );
  // What is on the pages after the first one it has not said.
  if (page && page.next === undefined)
    assert.ok(page.keys.includes(foreign.key), 'A client that was closed leaves out a key that is held of its list');
  // True or false, by the answer nobody holds it any more.
  const says = `A client that was closed says "${freed}" of the forced release of a key that is held`;
  if (freed !== undefined) assert.equal(await context.isHeld(other, forced.key), false, says);
  for (const each of [foreign, forced]) await other.release(each);
}

/** A hold that is not given back by its own client, which will be closed. */
async function holdOfLeaver(
  context: Context,
  adapter: LockAdapter,
  more: Partial<AcquireAttempt> = {},
): Promise<AcquireAttempt> {
  const attempt = context.attempt(context.key(), more);
  await context.eventually(
    'a free key is granted',
    async () => (await adapter.tryAcquire(attempt)).status === 'granted',
  );
  return attempt;
}

/** Listens; the promise that it gives in a list is that of the next hint. */
async function listen(context: Context, adapter: LockAdapter, key: string): Promise<[Promise<void>]> {
  const { signal } = new AbortController();
  await context.soon('the subscription stands', adapter.whenFree!(key, signal), context.timing.graceMs);
  return [context.begin(adapter.whenFree!(key, signal))];
}

/** Clients that end beside others, and signals that outlive what they were for. */
export const endOfClientCases: readonly Case[] = [
  {
    id: 'LK-0304',
    level: 'MUST',
    rule: 'C-269',
    title: 'the end of one client leaves holds, places and hints of the others as they are',
    hazards: [40, 55],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const [key, other] = [context.key(), context.key()];
      const hold = await takeClaim(context, one, key, exclusive);
      const own = await takeClaim(context, two, other, exclusive);
      const waiter = two.enqueue && (await join(context, two, key));
      const hint = two.whenFree && (await listen(context, two, key));
      const { shared: hasShared, permits: hasPermits } = context.harness.capabilities;
      const beside = [];
      for (const claim of [...(hasShared ? [shared] : []), ...(hasPermits ? [permits(1, 3)] : [])]) {
        const held = await takeClaim(context, two, context.key(), claim);
        await takeClaim(context, one, held.key, claim);
        beside.push(held);
      }
      // The one that ends waits for the same key.
      if (three.enqueue) await join(context, three, key);
      if (three.whenFree) await listen(context, three, key);
      await context.soon('close settles', three.close?.() ?? Promise.resolve(), 2 * context.boundMs);
      await context.sleep(context.timing.quietMs);
      assert.equal(waiter?.grantedAt, undefined, 'A waiter was granted a key that is held, when another client ended');
      for (const held of [own, ...beside]) {
        const { status } = await two.renew(held, context.timing.longTtlMs);
        assert.equal(status, 'renewed', 'A hold must stand: another client has ended');
      }
      await assertRelease(one.release(hold));
      if (waiter) await context.soon('a waiter is granted: another client has ended', waiter.granted);
      if (hint) await context.soon('a hint comes: another client has ended', hint[0]);
      for (const held of [own, ...beside]) await assertRelease(two.release(held));
      if (waiter) await assertRelease(two.release(waiter.attempt));
    },
  },
  {
    id: 'LK-0305',
    level: 'MUST',
    rule: 'C-270',
    title: 'a client that was closed gives no answer that is not true',
    hazards: [24, 55],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const [held, freed] = [await holdOfLeaver(context, one), await holdOfLeaver(context, one)];
      const renewedJointly = await holdOfLeaver(context, one);
      const foreign = await takeClaim(context, two, context.key(), exclusive);
      if (one.enqueue) await join(context, one, foreign.key);
      await context.soon('close settles', one.close?.() ?? Promise.resolve(), 2 * context.boundMs);
      const attempt = context.attempt(context.key());
      // In parallel: each call that stays unanswered takes the whole time-out.
      const [renewed, released, asked, seen] = await Promise.all([
        answerOf(context, () => one.renew(held, context.timing.longTtlMs)),
        answerOf(context, () => one.release(freed)),
        answerOf(context, () => one.tryAcquire(attempt)),
        answerOf(context, async () => one.inspect && [await one.inspect(foreign.key)]),
        assertNoUntrueList(context, one, two, renewedJointly),
      ]);
      if (renewed)
        assert.equal(
          await context.isHeld(two, held.key),
          renewed.status === 'renewed',
          `A client that was closed says "${renewed.status}" of a hold, and that is not true`,
        );
      if (released)
        assert.equal(
          await context.isHeld(two, freed.key),
          false,
          `A client that was closed says "${released}" of a hold that stands`,
        );
      assert.notEqual(asked?.status, 'busy', 'A client that was closed says "busy" of a free key');
      if (seen)
        assert.equal(seen[0]?.owner, foreign.owner, 'A client that was closed tells another holder than there is');
      // Where its holds have not ended with it, they are given back for it.
      for (const each of [held, freed, attempt, renewedJointly]) await two.release(each);
      await assertRelease(two.release(foreign));
    },
  },
  {
    id: 'LK-0363',
    level: 'MUST',
    rule: 'C-119',
    title: 'close frees no key that its client held or asked for before, and that another one holds now',
    hazards: [1, 55],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const later = [];
      for (const claim of claimsOf(context)) {
        const former = [
          await holdOfLeaver(context, one, { claim }),
          await holdOfLeaver(context, one, { claim, ttlMs: context.timing.ttlMs }),
          await holdOfLeaver(context, one, { claim }),
        ];
        await assertRelease(one.release(former[0]!));
        if (one.forceRelease) await three.forceRelease!(former[2]!.key);
        else await one.release(former[2]!);
        if (context.harness.capabilities.expiry === 'session') await one.release(former[1]!);
        for (const { key } of former) later.push(await takeClaim(context, two, key, claim));
        const asked = await takeClaim(context, two, context.key(), wholeOf(claim));
        await one.tryAcquire(context.attempt(asked.key, { claim }));
        later.push(asked);
      }
      await context.soon('close settles', one.close?.() ?? Promise.resolve(), 2 * context.boundMs);
      await context.sleep(context.timing.quietMs);
      for (const hold of later) {
        const why = 'a client was closed that had the key before, or had asked for it';
        await assertClaimBusy(context, three, hold.key, wholeOf(hold.claim ?? exclusive), why);
        await assertStands(context, hold, why);
        await assertRelease(two.release(hold));
      }
    },
  },
  {
    id: 'LK-0306',
    level: 'MUST',
    rule: 'C-271',
    title: 'requests that are answered leave no listener on their signals, however often they are made',
    hazards: [43],
    async run(context) {
      const adapter = await context.client();
      const { signal } = new AbortController();
      const count = () => getEventListeners(signal, 'abort').length;
      const once = async () => {
        const key = context.key();
        const attempt = context.attempt(key, { signal });
        const other = context.attempt(key, { signal });
        assert.equal((await adapter.tryAcquire(attempt)).status, 'granted', 'A free key is granted');
        assert.equal((await adapter.tryAcquire(other)).status, 'busy', 'A held key is busy');
        const waiting = adapter.enqueue && context.begin(adapter.enqueue(other, signal));
        if (waiting) await context.sleep(1);
        await adapter.release(attempt);
        if (waiting) await context.soon('a waiter is granted after the release', waiting);
        if (waiting) await adapter.release(other);
      };
      await once();
      const before = count();
      for (let i = 0; i < 12; i++) await once();
      await context.eventually('the signal has no more listeners', () => count() <= before, context.timing.graceMs);
      const { whenFree } = adapter;
      if (!whenFree) return;
      // A subscription lasts until its signal aborts; each hint of it is one more request that was answered.
      const key = context.key();
      await context.soon('the subscription stands', whenFree.call(adapter, key, signal), context.timing.graceMs);
      const subscribed = count();
      const other = await context.client();
      for (let i = 0; i < 12; i++) {
        const hold = await context.take(other, key);
        const hint = context.begin(whenFree.call(adapter, key, signal));
        await other.release(hold);
        await context.soon('a hint comes after the release', hint, context.timing.graceMs);
      }
      const most = subscribed + 2;
      await context.eventually('hints leave no listener on the signal', () => count() <= most, context.timing.graceMs);
    },
  },
];

import assert from 'node:assert/strict';
import type { AcquireOutcome, Claim, Granted, LockAdapter, RenewOutcome } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { latestEnd } from '../key-ends.ts';
import { assertWaiting, capital, exclusive, type Held, holdOf, shared, takeClaim } from './claim-holds.ts';
import { claimsOf, sharedClaimsOf, wholeOf } from './every-claim.ts';
import { join, type Waiter } from './join-queue.ts';
import { type Begun, begun } from './lease-steps.ts';
import { waysTo } from './lease-ways.ts';
import { assertRemaining } from './promised-leases.ts';

/** No multiple of anything, and one of which neither a timer nor 32 bits, signed or not, can hold more than the first one. */
const LONG_TTLS = [67_339, 2 ** 32 + 54_323];

/** Until another can have the whole key: fails when that is too early, and gives by how much it is too late. */
async function lateEndOf(context: Context, by: LockAdapter, { hold, lease }: Begun, how: string): Promise<number> {
  const { capabilities } = context.harness;
  const endsAt = lease.sentAt + lease.validForMs;
  const due = latestEnd(capabilities, lease.ttlMs, lease.answeredAt);
  const stranger = context.attempt(hold.key, { claim: wholeOf(hold.claim ?? exclusive) });
  await context.until(endsAt - context.timing.pollMs - 2 * context.latencyMs);
  let lateMs = 0;
  await context.eventually(`${holdOf(hold.claim)}, ${how}, is over`, async () => {
    const askedAt = context.now();
    const { status } = await by.tryAcquire(stranger);
    if (status === 'busy') lateMs = askedAt - due + context.latencyMs;
    return status === 'granted';
  });
  const earlyMs = endsAt - context.now();
  await by.release(stranger);
  context.assertNotEarly(
    earlyMs,
    `Another owner was let in too early, before a lease of ${holdOf(hold.claim)}, ${how}, could have ended`,
  );
  return lateMs;
}

/** Waits for a waiter that is due at a time, and fails when it was granted before another. */
export async function grantedBetween(
  context: Context,
  waiter: Waiter,
  [from, due]: readonly [number, number],
  what: string,
): Promise<void> {
  await context.soon(what, waiter.granted, Math.max(0, due - context.now()) + context.timing.graceMs);
  context.assertNotEarly(from - waiter.grantedAt!, `It came before a lease could have ended: ${what}`);
}

/** How the lease of a hold is made another, while others wait. */
type Change = (hold: Held, toMs: number, context: Context) => Promise<RenewOutcome | AcquireOutcome | undefined>;

const changes: Readonly<Record<string, Change>> = {
  renewed: (hold, toMs) => hold.adapter.renew(hold, toMs),
  'renewed jointly': async ({ adapter, ...hold }, toMs) => (await adapter.renewMany?.([hold], toMs))?.[0],
  'asked for again': ({ adapter, key, owner, claim }, ttlMs, context) =>
    adapter.tryAcquire(context.attempt(key, { owner, claim, ttlMs })),
  downgraded: async ({ adapter, ...hold }, toMs) => adapter.downgrade?.(hold, toMs),
};

/** Those that make a lease of this claim longer, or shorter. */
function changesOf({ harness }: Context, { mode }: Claim, isShorter: boolean): readonly string[] {
  const canDowngrade = mode === 'exclusive' && harness.capabilities.shared;
  return Object.keys(changes).filter((how) =>
    how === 'downgraded' ? canDowngrade : how !== 'asked for again' || !isShorter,
  );
}

/** A hold that one waits for, and whose TTL is then another. */
async function waitedFor(
  context: Context,
  [one, two]: readonly [LockAdapter, LockAdapter],
  claim: Claim,
  how: string,
  [fromMs, toMs]: readonly [number, number],
): Promise<void> {
  const key = context.key();
  const hold = await takeClaim(context, one, key, claim, { ttlMs: fromMs });
  const waiter = await join(context, two, key, { claim: wholeOf(claim) });
  const sentAt = context.now();
  const answer = await changes[how]!(hold, toMs, context);
  const answeredAt = context.now();
  const isOver = answeredAt >= hold.sentAt + hold.granted.validForMs;
  // On a machine that stalls the hold may be over by then, and the waiter have it.
  if (answer === undefined || isOver) return giveUp(hold, waiter);
  assert.match(answer.status, /renewed|granted/, `${capital(holdOf(claim))} that was ${how}, while others waited`);
  const { validForMs } = answer as Granted;
  const { capabilities } = context.harness;
  const due = latestEnd(capabilities, toMs, answeredAt);
  const what = `a waiter is let in when ${holdOf(claim)} ends that was ${how} meanwhile`;
  await grantedBetween(context, waiter, [sentAt + validForMs, due], what);
  await two.release(waiter.attempt);
}

/** Gives back what is held, and what is waited for. */
export async function giveUp(hold: Held, waiter: Waiter): Promise<void> {
  await waiter.adapter.release(waiter.attempt);
  await hold.adapter.release(hold);
}

/** Readers whose leases end one after the other, the last one not the latest to come. */
async function behindReaders(context: Context, [one, two]: readonly [LockAdapter, LockAdapter]): Promise<void> {
  const { ttlMs, leaseMs } = context.timing;
  const key = context.key();
  await takeClaim(context, one, key, shared, { ttlMs });
  const last = await takeClaim(context, two, key, shared, { ttlMs: leaseMs });
  await takeClaim(context, one, key, shared, { ttlMs: Math.ceil(ttlMs * 1.3) });
  const { capabilities } = context.harness;
  const due = latestEnd(capabilities, leaseMs, context.now());
  const waiter = await join(context, two, key, { claim: exclusive });
  const what = 'a writer is let in when the leases of all readers before it have ended';
  await grantedBetween(context, waiter, [last.sentAt + last.granted.validForMs, due], what);
  await two.release(waiter.attempt);
}

/** Several holders whose leases end together: all are over, and not the first of them alone. */
async function behindACrash(context: Context, [one, two]: readonly [LockAdapter, LockAdapter], claim: Claim) {
  const { ttlMs } = context.timing;
  const key = context.key();
  const holds = await Promise.all([one, two, one].map((by) => takeClaim(context, by, key, claim, { ttlMs })));
  const { capabilities } = context.harness;
  const due = latestEnd(capabilities, ttlMs, context.now());
  const waiter = await join(context, two, key, { claim: wholeOf(claim) });
  const from = Math.max(...holds.map(({ sentAt, granted }) => sentAt + granted.validForMs));
  await grantedBetween(
    context,
    waiter,
    [from, due],
    `a waiter is let in when three leases of ${holdOf(claim)} end together`,
  );
  await two.release(waiter.attempt);
}

/** Leases of readers, of permits and of those who downgraded. */
export const claimLeaseCases: readonly Case[] = [
  {
    id: 'LK-0290',
    level: 'MUST',
    heavy: true,
    rule: 'C-260',
    title: 'leases stand as promised whatever is held and however it came about, of a minute and beyond 2^31 ms',
    hazards: [9, 82, 93],
    needs: ['inspect'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const trials = claimsOf(context).flatMap((claim) =>
        waysTo(claim, clients[1]).flatMap(([how, way]) =>
          LONG_TTLS.map(async (ttlMs) => {
            const { hold, lease } = await begun(way, { context, clients, claim, ttlMs });
            await assertRemaining(context, clients[1], hold.key, `${how}, of ${holdOf(claim)}`, lease);
            await hold.adapter.release(hold);
          }),
        ),
      );
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0291',
    level: 'MUST',
    heavy: true,
    long: true,
    rule: 'C-260',
    title:
      'a lease ends when it was promised to, not before and not much later, whatever is held and however it came about',
    hazards: [82, 93, 94],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const { leaseMs } = context.timing;
      const { minMs } = context.harness.capabilities.ttl;
      const shortest = Math.ceil(Math.max(minMs, 39 + 8 * context.latencyMs));
      const check = async (claim: Claim, [how, way]: ReturnType<typeof waysTo>[number], lengths: readonly number[]) => {
        const ends = lengths.map(async (ttlMs) =>
          lateEndOf(context, clients[1], await begun(way, { context, clients, claim, ttlMs }), how),
        );
        // A starved machine is late now and then, a late backend each time.
        const lateMs = Math.min(...(await Promise.all(ends)));
        context.assertInTime(
          lateMs,
          `Each of ${lengths.length} leases of ${holdOf(claim)}, ${how}, ended ${Math.round(lateMs)} ms later than its TTL and the declared overshoot allow`,
        );
      };
      const checkAll = (claim: Claim, lengths: readonly number[]) =>
        Promise.all(waysTo(claim, clients[1]).map((way) => check(claim, way, lengths)));
      const all: Promise<unknown>[] = [];
      for (const claim of claimsOf(context)) {
        all.push(context.begin(checkAll(claim, [leaseMs + 7, leaseMs + 101, leaseMs + 203])));
        all.push(context.begin(checkAll(claim, [shortest, shortest + 6])));
        // On a server that is not quick, hundreds of short leases at once would only show how busy it is.
        if (context.latencyMs >= 1) await all.at(-1);
      }
      await Promise.all(all);
    },
  },
  {
    id: 'LK-0292',
    level: 'MUST',
    long: true,
    rule: 'C-261',
    title:
      'who waits is let in when the last lease in its way is over, also when that was made shorter or longer meanwhile',
    hazards: [9, 95],
    needs: ['enqueue'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const { ttlMs, leaseMs } = context.timing;
      const weeksMs = 2 ** 31 + 7_919;
      const beyondTimers = async (claim: Claim, isRenewed: boolean) => {
        const key = context.key();
        const hold = await takeClaim(context, clients[0], key, claim, isRenewed ? {} : { ttlMs: weeksMs });
        const waiter = await join(context, clients[1], key, { claim: wholeOf(claim) });
        if (isRenewed) await clients[0].renew(hold, weeksMs);
        await assertWaiting(context, [waiter], 'the lease before it lasts for weeks');
        await clients[0].release(hold);
        await context.soon('a waiter is granted after the release', waiter.granted);
        await clients[1].release(waiter.attempt);
      };
      const changed = async (claim: Claim) => {
        const longer = changesOf(context, claim, false).map((how) =>
          waitedFor(context, clients, claim, how, [ttlMs, leaseMs]),
        );
        const shorter = changesOf(context, claim, true).map((how, i) =>
          waitedFor(context, clients, claim, how, [context.timing.longTtlMs, ttlMs + 17 * i]),
        );
        await Promise.all([...longer, ...shorter]);
      };
      const trials = claimsOf(context).flatMap((claim) => [
        changed(claim),
        beyondTimers(claim, false),
        beyondTimers(claim, true),
      ]);
      if (context.harness.capabilities.shared) trials.push(behindReaders(context, clients));
      trials.push(...sharedClaimsOf(context).map((claim) => behindACrash(context, clients, claim)));
      await Promise.all(trials);
    },
  },
];

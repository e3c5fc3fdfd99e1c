import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { type Context, newOwner } from '../context.ts';
import { type Held, holdOf, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';
import { assertRemaining } from './promised-leases.ts';

/** What another owner does to a key that is held; its name stands in messages. */
interface Act {
  readonly name: string;
  do(context: Context, adapter: LockAdapter, hold: Held, ttlMs: number): Promise<unknown> | undefined;
}

const strange = ({ key, claim }: Held) => ({ key, owner: newOwner(), claim });

/** Queues, and leaves again. */
async function queueAndLeave(context: Context, adapter: LockAdapter, key: string, claim: Claim, ttlMs: number) {
  const leaving = new AbortController();
  const { attempt, granted } = await join(context, adapter, key, { claim, ttlMs, signal: leaving.signal });
  leaving.abort(new Error('a waiter of this case leaves'));
  await context.soon('who leaves is answered', Promise.allSettled([granted]));
  await adapter.release(attempt);
}

const acts: readonly Act[] = [
  {
    name: 'a request',
    do: (context, adapter, { key, claim }, ttlMs) =>
      adapter.tryAcquire(context.attempt(key, { claim: wholeOf(claim!), ttlMs })),
  },
  { name: 'a renewal', do: (_, adapter, hold, ttlMs) => adapter.renew(strange(hold), ttlMs) },
  { name: 'a joint renewal', do: (_, adapter, hold, ttlMs) => adapter.renewMany?.([strange(hold)], ttlMs) },
  { name: 'a release', do: (_, adapter, hold) => adapter.release(strange(hold)) },
  {
    name: 'a downgrade',
    do: (_, adapter, hold, ttlMs) =>
      hold.claim!.mode === 'permits' ? undefined : adapter.downgrade?.(strange(hold), ttlMs),
  },
  {
    name: 'a forced release that names another owner',
    do: (context, adapter, { key }) => (context.forcesByName ? adapter.forceRelease!(key, newOwner()) : undefined),
  },
  { name: 'a look', do: (_, adapter, { key }) => adapter.inspect!(key) },
  { name: 'a list of the keys', do: (_, adapter) => adapter.keys?.() },
  {
    name: 'a waiter that leaves',
    do: (context, adapter, { key, claim }, ttlMs) =>
      adapter.enqueue && queueAndLeave(context, adapter, key, wholeOf(claim!), ttlMs),
  },
];

/** A hold that others ask about, several times, has left what it was promised. */
async function assertUntouched(context: Context, one: LockAdapter, two: LockAdapter, claim: Claim, act: Act) {
  const { longTtlMs, ttlMs: shortMs } = context.timing;
  const hold = await takeClaim(context, one, context.key(), claim);
  const { validForMs } = hold.granted;
  const lease = { sentAt: hold.sentAt, answeredAt: context.now(), ttlMs: longTtlMs, validForMs };
  for (const ttlMs of [shortMs, 3 * longTtlMs, shortMs]) {
    await act.do(context, two, hold, ttlMs);
    await assertRemaining(context, two, hold.key, `of ${holdOf(claim)}, after ${act.name} of another owner`, lease);
  }
  await one.release(hold);
}

/** What others do to a hold that is not theirs. */
export const strangerCases: readonly Case[] = [
  {
    id: 'LK-0362',
    level: 'MUST',
    heavy: true,
    rule: 'C-146',
    title: 'whatever another owner asks about a hold, of any kind, its lease has as much left as before',
    hazards: [5],
    needs: ['inspect'],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const trials = claimsOf(context).flatMap((claim) =>
        acts.map((act) => assertUntouched(context, one, two, claim, act)),
      );
      await Promise.all(trials);
    },
  },
];

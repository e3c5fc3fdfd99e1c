import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';
import { assertClaimFree, assertStands, type Held, holdOf, takeClaim } from './claim-holds.ts';
import { sharedClaimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

type Clients = readonly [LockAdapter, LockAdapter];

/** What makes a lease of the key a short one, beside others that are long; gives who holds the key for long after that. */
type Act = (context: Context, clients: Clients, long: readonly [Held, Held]) => Promise<readonly Held[]>;

const acts: Readonly<Record<string, Act>> = {
  async 'renewed its own with a shorter TTL'({ timing }, _, [first, second]) {
    await second.adapter.renew(second, timing.ttlMs);
    return [first];
  },
  async 'renewed its own jointly with a shorter TTL'({ timing }, _, [first, second]) {
    const { adapter } = second;
    await (adapter.renewMany ? adapter.renewMany([second], timing.ttlMs) : adapter.renew(second, timing.ttlMs));
    return [first];
  },
  async 'was granted one with a shorter TTL'(context, [one], long) {
    const [{ key, claim }] = long;
    await takeClaim(context, one, key, claim!, { ttlMs: context.timing.ttlMs });
    return long;
  },
  async 'was granted one with a shorter TTL by the queue'(context, [one], long) {
    const [{ key, claim }] = long;
    if (!one.enqueue) return long;
    const { granted } = await join(context, one, key, { claim, ttlMs: context.timing.ttlMs });
    await context.soon('the queue grants what fits beside the holders', granted);
    return long;
  },
  async 'released its own'(_, __, [first, second]) {
    await assertRelease(second.adapter.release(second));
    return [first];
  },
};

/** The leases of several holders of one key. */
export const claimBesideCases: readonly Case[] = [
  {
    id: 'LK-0340',
    level: 'MUST',
    long: true,
    rule: 'C-323',
    title: 'a lease stands whatever another holder of the key does with its own, or whoever comes with a shorter one',
    hazards: [93, 94],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const [one, two] = clients;
      const { capabilities } = context.harness;
      const { ttlMs } = context.timing;
      const trial = async (how: string, claim: (typeof claims)[number]) => {
        const key = context.key();
        const long = [await takeClaim(context, one, key, claim), await takeClaim(context, two, key, claim)] as const;
        const stay = await acts[how]!(context, clients, long);
        await context.sleep(longestLease(capabilities, ttlMs) + capabilities.ttl.maxOvershootMs + context.slackMs);
        for (const hold of stay) {
          await assertStands(context, hold, `another owner of ${holdOf(claim)} ${how}`);
          await assertRelease(hold.adapter.release(hold));
        }
        await assertClaimFree(context, two, key, wholeOf(claim), `all have left, and one ${how}`);
      };
      const claims = sharedClaimsOf(context);
      await Promise.all(claims.flatMap((claim) => Object.keys(acts).map((how) => trial(how, claim))));
    },
  },
];

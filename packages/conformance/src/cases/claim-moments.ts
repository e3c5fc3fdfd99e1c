import assert from 'node:assert/strict';
import type { Claim, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';
import { assertStands, exclusive, type Held, holdOf, kindOf, permits, shared, takeClaim } from './claim-holds.ts';
import { wholeOf } from './every-claim.ts';

type Clients = readonly [LockAdapter, LockAdapter];

const LIMIT = 7;
const SPREAD_MS = 60;
/** From when to when, in ms around the end of a lease, its owner acts: mostly when another owner may have been let in. */
const MOMENTS = [
  [-9, -5],
  [-5, -2],
  [-2, 1],
  [0, 6],
  [3, 13],
] as const;

/** What the holder does at the end of its lease: whether it has its hold after that. */
type Act = (context: Context, hold: Held) => Promise<boolean>;

const acts: Readonly<Record<string, Act>> = {
  renewal: async ({ timing }, hold) => (await hold.adapter.renew(hold, timing.longTtlMs)).status === 'renewed',
  'joint renewal': async ({ timing }, hold) =>
    (await hold.adapter.renewMany?.([hold], timing.longTtlMs))?.[0]?.status === 'renewed',
  'repeated request': async (context, { adapter, key, owner, claim }) =>
    (await adapter.tryAcquire(context.attempt(key, { owner, claim }))).status === 'granted',
  downgrade: async ({ timing }, hold) => (await hold.adapter.downgrade!(hold, timing.longTtlMs)).status === 'renewed',
  async release(_, hold) {
    await hold.adapter.release(hold);
    await hold.adapter.release(hold);
    return false;
  },
};

/** Asks again and again as one owner until it is granted, or stopped. */
function askUntil(context: Context, adapter: LockAdapter, key: string, claim: Claim) {
  const attempt = context.attempt(key, { claim });
  let [isGranted, isStopped] = [false, false];
  const ask = async () => {
    while (!isGranted && !isStopped) {
      isGranted = (await adapter.tryAcquire(attempt)).status === 'granted';
      if (!isGranted) await context.sleep(1 + context.latencyMs / 2);
    }
  };
  const asking = context.begin(ask());
  const stop = async (): Promise<void> => {
    isStopped = true;
    await asking;
  };
  return { hold: { key, owner: attempt.owner, claim, adapter }, isGranted: () => isGranted, stop };
}

/** A hold whose lease ends, who holds the key beside it, and what another owner asks for meanwhile. */
interface Scene {
  readonly claim: Claim;
  readonly beside?: Claim;
  readonly wanted?: Claim;
}

/** The owner of a hold acts when its lease ends: either it keeps the hold or that is over, and all others have what is theirs. */
async function atTheEnd(
  context: Context,
  [one, two]: Clients,
  { claim, beside, wanted }: Scene,
  name: string,
  [fromMs, toMs]: readonly [number, number],
) {
  const key = context.key();
  const other = beside && (await takeClaim(context, two, key, beside));
  const ttlMs = context.timing.ttlMs + Math.floor(context.random.between(0, SPREAD_MS));
  const hold = await takeClaim(context, one, key, claim, { ttlMs });
  const actsAt = hold.sentAt + ttlMs - context.latencyMs + context.random.between(fromMs, toMs);
  await context.until(actsAt - 5);
  const newcomer = wanted && askUntil(context, two, key, wanted);
  await context.until(actsAt);
  const isKept = await acts[name]!(context, hold);
  const what = `after the ${name} of ${holdOf(claim)} when its lease ended`;
  if (newcomer && !isKept) await context.eventually(`another is let in, ${what}`, () => newcomer.isGranted());
  await context.sleep(context.timing.pollMs + 2 * context.latencyMs);
  await newcomer?.stop();
  if (other) await assertStands(context, other, `it is another holder, ${what}`);
  if (newcomer && isKept) assert.equal(newcomer.isGranted(), false, `Another was let in beside a hold, ${what}`);
  if (newcomer && !isKept) await assertStands(context, newcomer.hold, `it was granted, ${what}`);
  for (const held of [isKept && hold, newcomer && !isKept && newcomer.hold, other])
    if (held) await assertRelease(held.adapter.release(held));
}

/** Who alone holds a key may share it. */
const actsOf = ({ harness }: Context, { claim }: Scene): readonly string[] =>
  Object.keys(acts).filter(
    (name) => name !== 'downgrade' || (harness.capabilities.shared && claim.mode === 'exclusive'),
  );

function scenesOf({ harness }: Context): readonly Scene[] {
  const { capabilities } = harness;
  const scenes: Scene[] = [{ claim: exclusive, wanted: exclusive }];
  if (capabilities.shared) scenes.push({ claim: shared, wanted: exclusive }, { claim: shared, beside: shared });
  if (capabilities.permits) scenes.push({ claim: permits(2, 7), beside: permits(5, 7), wanted: permits(2, 7) });
  return scenes;
}

/** Many requests with all kinds of claims at the moment a hold expires: only compatible ones are granted. */
async function askedTogether(
  context: Context,
  clients: Clients,
  claimOf: (nth: number) => Claim,
  spreadMs: number,
): Promise<void> {
  const { capabilities } = context.harness;
  const { ttlMs } = context.timing;
  const key = context.key();
  await takeClaim(context, clients[0], key, wholeOf(claimOf(0)), { ttlMs });
  const asked = Array.from({ length: 11 }, (_, i) => ({
    ...context.attempt(key, { claim: claimOf(i) }),
    adapter: clients[i % 2]!,
    isIn: false,
  }));
  await context.until(context.now() + longestLease(capabilities, ttlMs) + context.random.between(-3, 2));
  await Promise.all(
    asked.map(async (each) => {
      if (spreadMs > 0) await context.sleep(context.random.between(0, spreadMs));
      each.isIn = (await each.adapter.tryAcquire(each)).status === 'granted';
    }),
  );
  const holders = asked.filter(({ isIn }) => isIn);
  const kinds = holders.map(({ claim }) => kindOf(claim!)).join(', ');
  const writers = holders.filter(({ claim }) => claim!.mode === 'exclusive').length;
  const held = holders.reduce((sum, { claim }) => sum + (claim!.mode === 'permits' ? claim!.permits : 0), 0);
  assert.ok(writers === 0 || holders.length === 1, `Granted together, when the lease before had ended: ${kinds}`);
  assert.ok(held <= LIMIT, `${held} of ${LIMIT} permits were granted, when the lease before had ended`);
  for (const holder of holders) await assertStands(context, holder, 'it was granted when the lease before had ended');
  for (const holder of holders) await assertRelease(holder.adapter.release(holder));
}

/** The moment at which a lease of a reader, or of permits, ends. */
export const claimMomentCases: readonly Case[] = [
  {
    id: 'LK-0319',
    level: 'MUST',
    heavy: true,
    long: true,
    rule: 'C-293',
    title:
      'when the lease of a reader or of permits ends, its owner keeps the hold or has lost it, and all others have theirs',
    hazards: [6, 84, 93, 100],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const scenes = scenesOf(context);
      const round = async () => {
        const trials = scenes.flatMap((scene) =>
          actsOf(context, scene).flatMap((name) =>
            MOMENTS.map((moment) => atTheEnd(context, clients, scene, name, moment)),
          ),
        );
        await Promise.all(trials);
        return trials.length;
      };
      await context.race(round, { most: context.thorough ? 400 : 1 });
    },
  },
  {
    id: 'LK-0320',
    level: 'MUST',
    long: true,
    rule: 'C-149',
    title: 'of readers, writers and permits that ask when a lease has ended, those are let in who fit together',
    hazards: [44, 84],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const { shared: hasShared, permits: hasPermits } = context.harness.capabilities;
      // Of both kinds one comes first somewhere, whatever is drawn.
      const drawn = () => context.random.pick([shared, exclusive]);
      const orders: ((nth: number) => Claim)[] = hasShared
        ? [shared, exclusive].map((first) => (nth) => (nth === 0 ? first : drawn()))
        : [() => exclusive];
      if (hasPermits) orders.push(() => permits(context.random.pick([1, 2, 3, 5]), LIMIT));
      const spreads = [0, 0, 0, 3, 5, 8, 13, 20];
      await Promise.all(
        orders.flatMap((order) => spreads.map((spreadMs) => askedTogether(context, clients, order, spreadMs))),
      );
    },
  },
];

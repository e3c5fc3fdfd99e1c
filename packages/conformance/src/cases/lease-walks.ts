import assert from 'node:assert/strict';
import type { Granted, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { type Context, newOwner } from '../context.ts';
import { latestEnd, longestLease } from '../key-ends.ts';

const WALKS = 10;
const STEPS = 6;

/** A hold, and from when to when it may end after all that was answered about it. */
interface Lease {
  readonly by: LockAdapter;
  readonly key: string;
  readonly owner: string;
  readonly granted: Granted;
  /** The hold of the same owner of another key. */
  readonly twin: string;
  earliest: number;
  latest: number;
  /** The longest TTL that its last answers may leave it. */
  ttlMs: number;
}

/** When the request was sent, and its answer had come, of a lease of this TTL. */
interface Times {
  readonly sentAt: number;
  readonly ttlMs: number;
  readonly validForMs: number;
}

/** A step of a walk, with the TTL that it asks for; its name stands in messages. */
interface Step {
  readonly name: string;
  take(context: Context, lease: Lease, ttlMs: number, stranger: LockAdapter): Promise<void>;
}

function setEnd(context: Context, lease: Lease, { sentAt, ttlMs, validForMs }: Times): void {
  lease.earliest = sentAt + validForMs;
  lease.latest = latestEnd(context.harness.capabilities, ttlMs, context.now());
  lease.ttlMs = ttlMs;
}

type Renewed = Awaited<ReturnType<LockAdapter['renew']>>;

async function renew(context: Context, lease: Lease, ttlMs: number, ask: () => Promise<Renewed>): Promise<void> {
  const sentAt = context.now();
  const answer = await ask();
  if (answer.status === 'lost')
    return context.assertNotEarly(
      lease.earliest - context.now(),
      'A hold was lost before the end that it was promised',
    );
  setEnd(context, lease, { sentAt, ttlMs, validForMs: answer.validForMs });
}

const renewals: readonly Step[] = [
  {
    name: 'a renewal',
    take: (context, lease, ttlMs) => renew(context, lease, ttlMs, () => lease.by.renew(lease, ttlMs)),
  },
  {
    name: 'a joint renewal',
    take: (context, lease, ttlMs) =>
      renew(context, lease, ttlMs, async () => {
        if (!lease.by.renewMany) return lease.by.renew(lease, ttlMs);
        const [, answer] = await lease.by.renewMany([{ key: context.key(), owner: lease.owner }, lease], ttlMs);
        return answer!;
      }),
  },
];

const steps: readonly Step[] = [
  ...renewals,
  {
    name: 'a repeated request of its owner',
    async take(context, lease, ttlMs) {
      const { by, key, owner, granted } = lease;
      const sentAt = context.now();
      const again = await by.tryAcquire(context.attempt(key, { owner, ttlMs, tokens: 2 }));
      if (again.status === 'busy' || again.fencingToken !== granted.fencingToken)
        return context.assertNotEarly(
          lease.earliest - context.now(),
          'The holder asked again, and was not told of its own hold',
        );
      // It may leave a longer lease as it is.
      lease.earliest = sentAt + again.validForMs;
      lease.latest = Math.max(lease.latest, latestEnd(context.harness.capabilities, ttlMs, context.now()));
      lease.ttlMs = Math.max(lease.ttlMs, ttlMs);
    },
  },
  {
    name: 'the request of another owner',
    async take(context, { key, earliest }, ttlMs, stranger) {
      const { status } = await stranger.tryAcquire(context.attempt(key, { ttlMs }));
      if (status !== 'busy')
        context.assertNotEarly(earliest - context.now(), 'Another owner was granted a key that is held');
    },
  },
  {
    name: 'the renewal of another key of its owner',
    async take(_, { by, owner, twin }, ttlMs) {
      await by.renew({ key: twin, owner }, ttlMs);
    },
  },
  {
    name: 'the renewal of another owner',
    async take(_, { key }, ttlMs, stranger) {
      const { status } = await stranger.renew({ key, owner: newOwner() }, ttlMs);
      assert.equal(status, 'lost', 'Another owner renewed the hold');
    },
  },
];

/** Fails unless `inspect` agrees with the answers so far. */
async function assertAsPromised(context: Context, lease: Lease, by: LockAdapter, after: string): Promise<void> {
  if (!by.inspect) return;
  const { granularityMs } = context.harness.capabilities.ttl;
  const askedAt = context.now();
  const info = await by.inspect(lease.key);
  const seenAt = context.now();
  if (seenAt >= lease.earliest && info?.owner !== lease.owner) return;
  assert.equal(info?.owner, lease.owner, `After ${after} inspect names another owner, or none`);
  assert.equal(info?.fencingToken, lease.granted.fencingToken, `The fencing token that inspect tells after ${after}`);
  const { remainingMs } = info!;
  const least = lease.earliest - seenAt - granularityMs;
  const latestMs = lease.latest - askedAt;
  // Holds of one TTL may share a lease, and only their own client knows when each was renewed.
  const wholeMs = by === lease.by ? 0 : longestLease(context.harness.capabilities, lease.ttlMs);
  const most = Math.max(latestMs, wholeMs) + granularityMs;
  const told = `After ${after} there must be ${Math.round(least)} to ${Math.round(most)} ms left; inspect says ${remainingMs}`;
  assert.ok(remainingMs !== undefined && remainingMs <= most, told);
  context.assertNotEarly(least - remainingMs, told);
}

/** Walks from a grant to the end of the hold; what comes next has a higher token. */
async function walk(context: Context, clients: readonly LockAdapter[]): Promise<void> {
  const [by, stranger] = clients as [LockAdapter, LockAdapter];
  const { ttlMs, leaseMs } = context.timing;
  const drawTtl = () => Math.ceil(leaseMs * 1.5 ** context.random.between(1, 20));
  const [key, twin, owner] = [context.key(), context.key(), newOwner()];
  await context.take(by, twin, { owner });
  const firstMs = drawTtl();
  const { granted, sentAt } = await context.take(by, key, { owner, ttlMs: firstMs, tokens: 3 });
  const lease: Lease = { by, key, owner, granted, twin, earliest: 0, latest: 0, ttlMs: firstMs };
  setEnd(context, lease, { sentAt, ttlMs: firstMs, validForMs: granted.validForMs });
  const taken = ['a grant'];
  const take = async (step: Step, askedMs: number) => {
    await step.take(context, lease, askedMs, stranger);
    taken.push(step.name);
    await assertAsPromised(context, lease, context.random.pick(clients), taken.slice(-3).join(', '));
  };
  for (let step = 0; step < STEPS; step++) await take(context.random.pick(steps), drawTtl());
  await take(context.random.pick(renewals), Math.ceil(ttlMs * context.random.between(1, 1.4)));
  const next = await context.takeOver(stranger, key, lease.earliest);
  const last = granted.fencingToken === undefined ? undefined : granted.fencingToken + BigInt(granted.tokens ?? 1) - 1n;
  assert.ok(last === undefined || next.fencingToken! > last, `After token ${last} came ${next.fencingToken}`);
  await stranger.release(next);
}

/** A lease, after any requests in any order. */
export const leaseWalkCases: readonly Case[] = [
  {
    id: 'LK-0195',
    level: 'MUST',
    heavy: true,
    long: true,
    rule: 'C-144',
    title: 'after renewals and requests of all kinds, in a random order, a lease is as the last answers promised',
    hazards: [5, 82],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const walks = Array.from({ length: WALKS }, (_, nth) =>
        walk(context, [clients[nth % 3]!, clients[(nth + 1) % 3]!]),
      );
      await Promise.all(walks);
    },
  },
];

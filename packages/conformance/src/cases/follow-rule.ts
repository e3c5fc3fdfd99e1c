import assert from 'node:assert/strict';
import type { Claim, HoldRef, LockAdapter } from '@holdfast/lock-core';
import type { Context } from '../context.ts';
import { exclusive, kindOf, shared } from './claim-holds.ts';
import { join, type Waiter } from './join-queue.ts';

/** An owner, as the rule sees it. */
interface Party extends HoldRef {
  readonly number: number;
  readonly adapter: LockAdapter;
  claim: Claim;
  readonly waiter?: Waiter;
  readonly leaving: AbortController;
}

/** The grant rule, in memory. */
function openRule() {
  const holders: Party[] = [];
  const queue: Party[] = [];
  const fits = (claim: Claim): boolean => {
    if (holders.length === 0) return true;
    if (claim.mode !== 'permits')
      return claim.mode === 'shared' && holders.every((each) => each.claim.mode === 'shared');
    return claim.permits + holders.reduce((sum, each) => sum + permitsOf(each.claim), 0) <= claim.limit;
  };
  return {
    holders,
    queue,
    isOpenTo: (claim: Claim) => queue.length === 0 && fits(claim),
    remove(party: Party): void {
      for (const list of [holders, queue]) if (list.includes(party)) list.splice(list.indexOf(party), 1);
    },
    settle(): void {
      while (queue[0] && fits(queue[0].claim)) holders.push(queue.shift()!);
    },
  };
}

const permitsOf = (claim: Claim): number => (claim.mode === 'permits' ? claim.permits : 0);

/**
 * Random steps on keys of a backend with a queue, one after the other on each: after every one of them, those hold the key whom the
 * rule lets hold it, and nobody else. In the end all are served.
 */
export async function followRule(context: Context, drawClaim: () => Claim): Promise<void> {
  const clients = [await context.client(), await context.client(), await context.client()];
  await context.race(
    async () => {
      const steps = await Promise.all([0, 1, 2].map(() => followOnOneKey(context, clients, drawClaim)));
      return steps.reduce((a, b) => a + b);
    },
    { most: 600 },
  );
}

async function followOnOneKey(
  context: Context,
  clients: readonly LockAdapter[],
  drawClaim: () => Claim,
): Promise<number> {
  const { random } = context;
  const key = context.key();
  const rule = openRule();
  const story: string[] = [];
  let parties = 0;
  const note = (what: string, { number, claim }: Party) => story.push(`${what} ${number} (${kindOf(claim)})`);

  const check = async (): Promise<void> => {
    rule.settle();
    const mine = rule.holders.flatMap(({ waiter }) => waiter ?? []);
    const told = () => `after ${story.join(', ')}`;
    await context.soon(`those at the head of the queue are granted ${told()}`, Promise.all(mine.map((w) => w.granted)));
    // A wrong grant may show a little later; it is still there in the next step.
    await context.sleep(1 + 2 * context.latencyMs);
    for (const { waiter, number } of rule.queue)
      assert.equal(waiter?.grantedAt, undefined, `Owner ${number} was granted before its turn, ${told()}`);
  };

  const arrive = async (): Promise<void> => {
    const [adapter, claim, leaving] = [random.pick(clients), drawClaim(), new AbortController()];
    const about = { key, number: ++parties, adapter, claim, leaving };
    if (random.next() < 0.35) {
      const attempt = context.attempt(key, { claim });
      const party: Party = { ...about, owner: attempt.owner };
      note('try', party);
      const isOpen = rule.isOpenTo(claim);
      const { status } = await adapter.tryAcquire(attempt);
      if (status === 'granted') rule.holders.push(party);
      assert.equal(status, isOpen ? 'granted' : 'busy', `The answer to the last one of ${story.join(', ')}`);
      return;
    }
    const waiter = await join(context, adapter, key, { claim, signal: leaving.signal });
    const party: Party = { ...about, owner: waiter.attempt.owner, waiter };
    note('join', party);
    rule.queue.push(party);
  };
  const release = async (party: Party): Promise<void> => {
    note('release', party);
    rule.remove(party);
    assert.equal(await party.adapter.release(party), 'released', `The last one of ${story.join(', ')}`);
  };
  const leave = async (party: Party): Promise<void> => {
    note('leave', party);
    rule.remove(party);
    party.leaving.abort(new Error('a waiter of this case leaves'));
    await context.soon('who leaves is answered', Promise.allSettled([party.waiter!.granted]));
    assert.equal(await party.adapter.release(party), 'not-held', `The last one of ${story.join(', ')}`);
  };
  const downgrade = async (party: Party): Promise<void> => {
    note('downgrade', party);
    const { status } = await party.adapter.downgrade!(party, context.timing.longTtlMs);
    party.claim = shared;
    assert.equal(status, 'renewed', `The last one of ${story.join(', ')}`);
  };

  try {
    for (let step = 0; step < 14; step++) {
      const { holders, queue } = rule;
      const drawn = random.next();
      const writer = holders.find(({ claim }) => claim.mode === exclusive.mode);
      if (drawn < 0.1 && writer) await downgrade(writer);
      else if (drawn < 0.25 && queue.length > 0) await leave(random.pick(queue));
      else if (drawn < 0.5 && holders.length > 0) await release(random.pick(holders));
      else await arrive();
      await check();
    }
    for (let left = 100; rule.holders.length > 0 && left > 0; left--) {
      await release(rule.holders[0]!);
      await check();
    }
    assert.equal(rule.queue.length, 0);
    return story.length;
  } finally {
    for (const party of rule.queue) party.leaving.abort(new Error('the case is over'));
    await Promise.allSettled([...rule.holders, ...rule.queue].map((party) => party.adapter.release(party)));
  }
}

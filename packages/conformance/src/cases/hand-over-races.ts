import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { join, type Waiter } from './join-queue.ts';

const KEYS = 6;
const WAITERS = 4;

/** A short queue, from its first place to its last release: in order, one at a time; gives the number of hand-overs. */
async function handOver(context: Context, clients: readonly LockAdapter[]): Promise<number> {
  const key = context.key();
  const hold = await context.take(clients[0]!, key);
  const waiters: Waiter[] = [];
  for (let nth = 0; nth < WAITERS; nth++) waiters.push(await join(context, clients[nth % clients.length]!, key));
  const order: number[] = [];
  let holders = 0;
  const serve = async ({ granted, adapter, attempt }: Waiter, nth: number) => {
    await granted;
    order.push(nth);
    holders++;
    assert.equal(holders, 1, `${holders} waiters of one queue hold the key at one time`);
    // A turn, in which another one may wrongly come in.
    await context.sleep(0);
    holders--;
    await assertRelease(adapter.release(attempt));
  };
  const served = context.begin(Promise.all(waiters.map(serve)));
  await clients[0]!.release(hold);
  await context.soon(`all of ${WAITERS} waiters are served`, served);
  assert.deepEqual(order, [...waiters.keys()], 'The order in which a queue was served');
  return WAITERS;
}

/** Queues, in great numbers. */
export const handOverRaceCases: readonly Case[] = [
  {
    id: 'LK-0369',
    level: 'MUST',
    heavy: true,
    long: true,
    rule: 'C-69',
    title: 'in thousands of hand-overs by the queue, each waiter is granted once, in its turn, and alone',
    hazards: [84],
    needs: ['enqueue'],
    requires: { fairness: 'fifo' },
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      await context.race(async () => {
        const counts = await Promise.all(Array.from({ length: KEYS }, () => handOver(context, clients)));
        return counts.reduce((sum, count) => sum + count, 0);
      });
    },
  },
];

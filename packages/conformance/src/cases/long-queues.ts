import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { join, type Waiter } from './join-queue.ts';

const FEWEST = 12;
const MOST = 60;

/** Queues, one after the other, as many as the backend confirms in the time of a race. */
async function joinMany(context: Context, clients: readonly LockAdapter[], key: string): Promise<Waiter[]> {
  const startedAt = context.now();
  const waiters: Waiter[] = [];
  while (waiters.length < FEWEST || (waiters.length < MOST && context.now() < startedAt + context.raceMs))
    waiters.push(await join(context, clients[waiters.length % clients.length]!, key));
  return waiters;
}

/** Queues that are longer than a few waiters. */
export const longQueueCases: readonly Case[] = [
  {
    id: 'LK-0197',
    level: 'MUST',
    heavy: true,
    rule: 'C-76',
    title: 'a long queue is served in the order in which its places were confirmed, each of them once',
    hazards: [],
    needs: ['enqueue'],
    requires: { fairness: 'fifo' },
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(clients[0]!, key);
      const waiters = await joinMany(context, clients, key);
      const order: number[] = [];
      const serve = async ({ granted, adapter, attempt }: Waiter, nth: number) => {
        await granted;
        order.push(nth);
        assert.equal(await adapter.release(attempt), 'released', `Waiter ${nth + 1} was granted, and holds nothing`);
      };
      const served = context.begin(Promise.all(waiters.map(serve)));
      await clients[0]!.release(hold);
      const patienceMs = context.boundMs + 4 * waiters.length * context.latencyMs;
      await context.soon(`all of ${waiters.length} waiters are served`, served, patienceMs);
      assert.deepEqual(order, [...waiters.keys()], 'The order in which a long queue was served');
      for (const { confirmed } of waiters)
        assert.equal(confirmed(), 1, `A place in the queue was confirmed ${confirmed()} times`);
      context.measures.waitersInTheQueue = waiters.length;
    },
  },
  {
    id: 'LK-0198',
    level: 'MUST',
    rule: 'C-81',
    title:
      'a place that is confirmed stands: the release or the forced release that follows at once passes the key to it',
    hazards: [37],
    needs: ['enqueue'],
    requires: { fairness: 'fifo' },
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const trial = async (force: boolean) => {
        const key = context.key();
        const hold = await context.take(one, key);
        const first = await join(context, two, key);
        const freed = force && one.forceRelease ? one.forceRelease(key) : one.release(hold);
        const stranger = context.attempt(key);
        const [, { status }] = [await freed, await three.tryAcquire(stranger)];
        assert.equal(status, 'busy', 'A request passed a waiter whose place was confirmed');
        await context.soon('the waiter is granted', first.granted);
        // One that waits behind it is not forgotten.
        const second = await join(context, three, key);
        if (force) await one.forceRelease?.(key);
        await two.release(first.attempt);
        await context.soon('the next waiter is granted', second.granted);
        await assertRelease(three.release(second.attempt));
      };
      await Promise.all([trial(false), trial(true), trial(false), trial(true)]);
    },
  },
];

import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Case } from '../case.ts';
import { assertRelease } from './assert-release.ts';
import { queued } from './join-queue.ts';

/** The backend's own queue. */
export const fairnessCases: readonly Case[] = [
  {
    id: 'LK-0069',
    level: 'MUST',
    rule: 'C-76',
    title: 'fairness fifo: grants follow the order of queueing over clients',
    hazards: [],
    requires: { fairness: 'fifo' },
    async run(context) {
      // Without local hand-over each waiter has a place of its own.
      const strict = { localRun: { count: 0 } };
      const clients = [await context.locks(strict), await context.locks(strict), await context.locks(strict)];
      const watcher = await context.client();
      const key = context.key();
      const lock = await clients[0]!.acquire(key);
      const order: number[] = [];
      const waits: Promise<void>[] = [];
      for (let i = 0; i < 6; i++) {
        waits.push(context.begin(clients[i % 3]!.using(key, () => void order.push(i))));
        await queued(context, watcher, key, i + 1);
      }
      await lock.release();
      await context.soon('all six waiters are served', Promise.all(waits));
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5], 'Declares fairness "fifo"; the order of service was another');
    },
  },
  {
    id: 'LK-0070',
    level: 'MUST',
    rule: 'C-77',
    title: 'fairness fifo: nobody passes the queue',
    hazards: [],
    requires: { fairness: 'fifo' },
    needs: ['enqueue'],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      const second = context.attempt(key);
      const waiting = context.begin(two.enqueue!(second, second.signal));
      await queued(context, three, key, 1);
      await one.release(hold);
      await context.assertBusy(three, key, 'somebody was queued before');
      const granted = await context.soon('the queued waiter is granted', waiting);
      assert.ok(granted.validForMs > 0, `The queue granted a validity of ${granted.validForMs} ms`);
      await assertRelease(two.release(second));
    },
  },
  {
    id: 'LK-0071',
    level: 'MUST',
    rule: 'C-78',
    title: 'an aborted enqueue leaves the queue: the next in it is served',
    hazards: [42],
    needs: ['enqueue'],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      const abort = new AbortController();
      const quitter = context.attempt(key, { signal: abort.signal });
      const quitting = context.begin(
        assert.rejects(two.enqueue!(quitter, abort.signal), 'An aborted enqueue must reject'),
      );
      await queued(context, three, key, 1);
      const patient = context.attempt(key);
      const waiting = context.begin(three.enqueue!(patient, patient.signal));
      await queued(context, three, key, 2);
      abort.abort(new Error('no longer wanted'));
      await context.soon('the aborted enqueue settles', quitting, context.timing.graceMs);
      await one.release(hold);
      await context.soon('the next in the queue is served', waiting, context.timing.graceMs);
      await assertRelease(three.release(patient));
      await context.assertFree(one, key, 'the last holder released it, and the other waiter had left');
    },
  },
  {
    id: 'LK-0072',
    level: 'MUST',
    rule: 'C-79',
    title: 'a release withdraws its owner’s place in the queue',
    hazards: [42, 64],
    needs: ['enqueue'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      const abort = new AbortController();
      const quitter = context.attempt(key, { signal: abort.signal });
      const waiting = two.enqueue!(quitter, abort.signal).catch(() => undefined);
      await queued(context, one, key, 1);
      assert.equal(await two.release(quitter), 'not-held', 'A release of a place in the queue must answer "not-held"');
      await one.release(hold);
      await context.assertFree(one, key, 'the only waiter had given back its place');
      abort.abort();
      await context.soon('the withdrawn enqueue settles', waiting, context.timing.graceMs);
    },
  },
  {
    id: 'LK-0372',
    level: 'MUST',
    rule: 'C-79',
    title: 'a release while the enqueue of its owner has no answer leaves neither a place nor a hold behind',
    hazards: [42, 64],
    needs: ['enqueue'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { leaseMs, quietMs, graceMs } = context.timing;
      const trial = async (_: unknown, nth: number) => {
        const key = context.key();
        const hold = await context.take(one, key);
        const abort = new AbortController();
        const quitter = context.attempt(key, { signal: abort.signal });
        const releaseAt = context.now() + (nth % 2) * context.random.next() * 2 * context.latencyMs;
        const waiting = two.enqueue!(quitter, abort.signal).catch(() => undefined);
        while (context.now() < releaseAt) await nextTurn();
        await two.release(quitter);
        await one.release(hold);
        await context.assertFree(one, key, 'the only waiter was released while its request was under way');
        // Whoever still keeps the place alive takes the key now.
        await context.sleep(leaseMs + quietMs);
        assert.ok(!(await context.isHeld(one, key)), 'A waiter was granted the key after its release');
        abort.abort();
        await context.soon('the withdrawn enqueue settles', waiting, graceMs);
      };
      await Promise.all(Array.from({ length: 12 }, trial));
    },
  },
  {
    id: 'LK-0073',
    level: 'MUST',
    rule: 'C-80',
    title: 'enqueue with an aborted signal rejects and takes no place',
    hazards: [42],
    needs: ['enqueue'],
    async run(context) {
      const adapter = await context.client();
      const key = context.key();
      const signal = AbortSignal.abort(new Error('too late'));
      const attempt = context.attempt(key, { signal });
      const refused = assert.rejects(adapter.enqueue!(attempt, signal), 'An aborted enqueue must reject');
      await context.soon('the aborted enqueue settles', refused, context.timing.graceMs);
      // Unknown is no grant; the caller withdraws what may have been taken.
      await adapter.release(attempt);
      await context.assertFree(adapter, key, 'the only waiter was aborted before it began');
    },
  },
  {
    id: 'LK-0113',
    level: 'MUST',
    rule: 'C-81',
    title: 'enqueue says that it is queued once the backend has confirmed the place, while the key is still held',
    hazards: [],
    needs: ['enqueue'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      let calls = 0;
      const onQueued = () => {
        calls++;
      };
      const attempt = context.attempt(key, { onQueued });
      const waiting = context.begin(two.enqueue!(attempt, attempt.signal));
      await context.eventually('onQueued is called', () => calls > 0, context.timing.graceMs);
      await context.assertBusy(two, key, 'its holder still has it, and a waiter is queued');
      await one.release(hold);
      await context.soon('the queued waiter is granted', waiting, context.timing.graceMs);
      await assertRelease(two.release(attempt));
    },
  },
];

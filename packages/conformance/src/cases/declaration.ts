import assert from 'node:assert/strict';
import type { Case } from '../case.ts';

/** What an adapter says of itself. */
export const declarationCases: readonly Case[] = [
  {
    id: 'LK-0001',
    level: 'MUST',
    rule: 'C-124',
    title: 'the adapter has a name and declares the capabilities that its harness expects',
    hazards: [87, 88],
    async run(context) {
      const adapter = await context.client();
      assert.ok(adapter.name.length > 0, 'The adapter needs a name');
      const { fencing, fairness, expiry, wakeup, survivesFailover, crossProcess, ttl } = adapter.capabilities;
      const { shared = false, permits = false } = adapter.capabilities;
      const { minMs, granularityMs, maxOvershootMs } = ttl;
      assert.deepEqual(
        {
          fencing,
          fairness,
          expiry,
          wakeup,
          survivesFailover,
          crossProcess,
          shared,
          permits,
          ttl: { minMs, granularityMs, maxOvershootMs },
        },
        { shared: false, permits: false, ...context.harness.capabilities },
        'The adapter declares other capabilities than its harness',
      );
    },
  },
  {
    id: 'LK-0002',
    level: 'MUST',
    rule: 'C-125',
    title: 'fairness fifo: the adapter has a queue of its own',
    hazards: [87],
    requires: { fairness: 'fifo' },
    async run(context) {
      const adapter = await context.client();
      assert.equal(typeof adapter.enqueue, 'function', 'Declares fairness "fifo", but has no enqueue');
    },
  },
  {
    id: 'LK-0003',
    level: 'MUST',
    rule: 'C-126',
    title: 'fairness none: the adapter offers no queue',
    hazards: [87],
    requires: { fairness: 'none' },
    async run(context) {
      const adapter = await context.client();
      assert.equal(adapter.enqueue, undefined, 'Declares fairness "none", but has enqueue, which promises FIFO');
    },
  },
  {
    id: 'LK-0004',
    level: 'MUST',
    rule: 'C-127',
    title: 'wakeup push: the adapter can tell a waiter of a release',
    hazards: [87],
    requires: { wakeup: 'push' },
    async run(context) {
      const { enqueue, whenFree } = await context.client();
      assert.ok(enqueue ?? whenFree, 'Declares wakeup "push", but has neither enqueue nor whenFree');
    },
  },
  {
    id: 'LK-0005',
    level: 'MUST',
    rule: 'C-128',
    title: 'wakeup poll: the adapter offers no wake-ups',
    hazards: [87],
    requires: { wakeup: 'poll' },
    async run(context) {
      const { enqueue, whenFree } = await context.client();
      assert.ok(!enqueue && !whenFree, 'Declares wakeup "poll", but has enqueue or whenFree');
    },
  },
];

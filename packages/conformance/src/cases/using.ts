import assert from 'node:assert/strict';
import type { Lock } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';

/** Holds a lock in `using` until it is lost, then goes on in the body. */
async function afterLoss<T>(context: Context, body: () => T): Promise<T> {
  const locks = await context.locks();
  const options = { ttlMs: context.timing.ttlMs, autoRenew: false };
  return locks.using(context.key(), options, async (lock: Lock) => {
    await context.eventually('the lock is lost', () => lock.signal.aborted);
    return body();
  });
}

/** Running a body under a lock. */
export const usingCases: readonly Case[] = [
  {
    id: 'LK-0085',
    level: 'MUST',
    rule: 'C-51',
    title: 'using gives back what the body returns, and releases',
    hazards: [56],
    async run(context) {
      const [locks, two] = [await context.locks(), await context.client()];
      const key = context.key();
      assert.equal(await locks.using(key, () => 42), 42, 'using must give back what its body returns');
      assert.equal(await locks.using(key, { ttlMs: context.timing.longTtlMs }, async () => 'later'), 'later');
      await context.assertFree(two, key, 'the body is over');
    },
  },
  {
    id: 'LK-0086',
    level: 'MUST',
    rule: 'C-52',
    title: 'using rethrows the body’s own error, and releases',
    hazards: [56],
    async run(context) {
      const [locks, two] = [await context.locks(), await context.client()];
      const key = context.key();
      const failure = new RangeError('the body’s own');
      const fail = () => {
        throw failure;
      };
      const why = 'using must rethrow the very error of its body, and release';
      await assert.rejects(locks.using(key, fail), (error) => error === failure, why);
      await assert.rejects(
        locks.using(key, async () => fail()),
        (error) => error === failure,
        why,
      );
      await context.assertFree(two, key, 'the body is over');
    },
  },
  {
    id: 'LK-0087',
    level: 'MUST',
    rule: 'C-53',
    title: 'the body’s result survives the loss of the lock inside it',
    hazards: [56],
    async run(context) {
      assert.equal(await afterLoss(context, () => 'result'), 'result', 'The body’s result was replaced after a loss');
    },
  },
  {
    id: 'LK-0088',
    level: 'MUST',
    rule: 'C-53',
    title: 'the body’s error survives the loss of the lock inside it',
    hazards: [56],
    async run(context) {
      const failure = new RangeError('the body’s own');
      const failing = afterLoss(context, () => {
        throw failure;
      });
      await assert.rejects(failing, (error) => error === failure, 'The body’s error was replaced after a loss');
    },
  },
];

import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';

/** How many keys are asked about at a time. */
const KEYS = 16;

/** Everything that can be asked about a hold, from its grant to its release. */
async function askAll(context: Context, one: LockAdapter, two: LockAdapter): Promise<void> {
  const attempt = context.attempt(context.key());
  const { key } = attempt;
  const { longTtlMs } = context.timing;
  await one.tryAcquire(attempt);
  await two.tryAcquire(context.attempt(key));
  await one.renew(attempt, longTtlMs);
  await one.renewMany?.([attempt], longTtlMs);
  await two.inspect?.(key);
  await one.release(attempt);
  await one.release(attempt);
}

/** Calls that go on, with nothing in their way. */
export const steadyAnswerCases: readonly Case[] = [
  {
    id: 'LK-0364',
    level: 'MUST',
    heavy: true,
    rule: 'C-157',
    title: 'of thousands of calls with nothing in their way, each is answered: none rejects now and then',
    hazards: [],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      await context.watchBackend();
      const before = context.rejections.length;
      await context.race(async () => {
        await Promise.all(Array.from({ length: KEYS }, () => askAll(context, one, two)));
        // One chance for each kind of call.
        return KEYS;
      });
      const rejected = context.rejections.slice(before);
      if (rejected.length === 0) return;
      // A machine or a backend that stalls ends sessions and exceeds time-outs.
      await context.assertMachineRan(context.slackMs);
      assert.fail(
        `${rejected.length} calls were rejected in ${context.measures.chances} rounds of them, and nothing was in their way: ${rejected[0]}`,
      );
    },
  },
];

import assert from 'node:assert/strict';
import type { KeysPage } from '@holdfast/lock-core';
import type { Case } from '../case.ts';

/** Of several servers, one that says nothing may be passed over: a page without keys that has a next one tells nothing yet. */
function toldKeys(page: KeysPage): KeysPage {
  if (page.keys.length === 0 && page.next !== undefined) throw new Error('the next page is to tell');
  return page;
}

/** Servers that say nothing, and what an adapter then says. */
export const frozenAnswerCases: readonly Case[] = [
  {
    id: 'LK-0368',
    level: 'MUST',
    alone: true,
    rule: 'C-336',
    title: 'while the servers say nothing, an adapter answers no call: it rejects, or waits',
    hazards: [24, 85],
    needs: ['freeze'],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const [held, freed, other] = [
        await context.take(one, context.key()),
        await context.take(one, context.key()),
        await context.take(two, context.key()),
      ];
      const { graceMs, longTtlMs } = context.timing;
      const thaw = await context.freeze();
      const answers: string[] = [];
      const ask = (name: string, call: Promise<unknown> | undefined) => {
        const note = (answer: unknown) => void (isFrozen && answers.push(`${name}: ${JSON.stringify(answer)}`));
        if (call) void call.then(note, () => {});
        return call;
      };
      let isFrozen = true;
      const asked = [
        ask('tryAcquire', one.tryAcquire(context.attempt(context.key()))),
        ask('tryAcquire of a held key', one.tryAcquire(context.attempt(other.key))),
        ask('renew', one.renew(held, longTtlMs)),
        ask('renewMany', one.renewMany?.([held], longTtlMs)),
        ask('release', one.release(freed)),
        ask('inspect', one.inspect?.(other.key)),
        ask('keys', one.keys?.().then(toldKeys)),
        ask('forceRelease', one.forceRelease?.(context.key())),
      ];
      await context.sleep(graceMs);
      isFrozen = false;
      await thaw();
      assert.deepEqual(answers, [], 'Answers that came while the servers were frozen');
      await Promise.race([Promise.allSettled(asked), context.sleep(graceMs)]);
    },
  },
];

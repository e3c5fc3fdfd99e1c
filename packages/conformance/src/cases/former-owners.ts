import assert from 'node:assert/strict';
import type { HoldRef, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context, RawHold } from '../context.ts';
import { join } from './join-queue.ts';

const KEYS = 16;
const REQUESTS = 10;

/** A key that one owner held, and another one holds now. */
interface Succession {
  readonly former: RawHold;
  readonly by: LockAdapter;
  readonly hold: HoldRef;
}

/** A request of a former owner, and what it must be answered. */
type Late = (context: Context, by: LockAdapter, former: HoldRef) => Promise<void>;

const late: readonly Late[] = [
  async (_, by, former) => {
    assert.equal(await by.release(former), 'not-held', 'The release of a former owner');
  },
  async (context, by, former) => {
    const { status } = await by.renew(former, context.timing.longTtlMs);
    assert.equal(status, 'lost', 'The renewal of a former owner');
  },
  async (context, by, former) => {
    const [answer] = (await by.renewMany?.([former], context.timing.longTtlMs)) ?? [];
    assert.equal(answer?.status ?? 'lost', 'lost', 'The joint renewal of a former owner');
  },
];

/** What comes late from those who held a key before. */
export const formerOwnerCases: readonly Case[] = [
  {
    id: 'LK-0196',
    level: 'MUST',
    heavy: true,
    rule: 'C-26',
    title: 'thousands of late requests of those who held a key before do nothing to its holder',
    hazards: [1, 5, 7],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const { expiry } = context.harness.capabilities;
      const succeed = async (nth: number): Promise<Succession> => {
        const key = context.key();
        const expires = nth % 2 > 0 && expiry === 'ttl';
        const former = await context.take(one, key, expires ? { ttlMs: context.timing.ttlMs } : {});
        const waiter = two.enqueue && nth % 4 > 1 ? await join(context, two, key) : undefined;
        if (!expires) await one.release(former);
        if (waiter === undefined) return { former, by: two, hold: await context.take(two, key) };
        await context.soon('a waiter is granted when the hold before it has ended', waiter.granted);
        return { former, by: two, hold: waiter.attempt };
      };
      const held = await Promise.all(Array.from({ length: KEYS }, (_, nth) => succeed(nth)));
      const trial = async ({ former, by, hold }: Succession) => {
        for (let i = 0; i < REQUESTS; i++) await context.random.pick(late)(context, one, former);
        const { status } = await by.renew(hold, context.timing.longTtlMs);
        assert.equal(status, 'renewed', 'A late request of its former owner took the lock from its holder');
      };
      await context.race(async () => {
        await Promise.all(held.map(trial));
        return KEYS * REQUESTS;
      });
    },
  },
];

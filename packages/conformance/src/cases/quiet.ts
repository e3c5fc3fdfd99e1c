import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context, RawHold } from '../context.ts';
import { longestLease } from '../key-ends.ts';
import { assertRelease } from './assert-release.ts';

/** Holds that end by themselves while nobody asks the backend for anything. */
async function endedInQuiet(context: Context, adapter: LockAdapter, count: number): Promise<RawHold[]> {
  const { capabilities } = context.harness;
  const { ttlMs } = context.timing;
  const take = () => context.take(adapter, context.key(), { ttlMs, tokens: 3 });
  const holds = await Promise.all(Array.from({ length: count }, take));
  await context.sleep(longestLease(capabilities, ttlMs) + capabilities.ttl.maxOvershootMs + context.slackMs);
  return holds;
}

const ended = 'of a hold that had ended by itself, with nobody else asking the backend,';

/** A request about a hold that has ended, each of a hold of its own. */
type Request = (context: Context, adapter: LockAdapter, old: RawHold) => Promise<void>;

const requests: readonly Request[] = [
  async (context, adapter, old) => {
    const { status } = await adapter.renew(old, context.timing.longTtlMs);
    assert.equal(status, 'lost', `The renewal ${ended} was answered "${status}"`);
  },
  async (context, adapter, old) => {
    const [answer] = (await adapter.renewMany?.([old], context.timing.longTtlMs)) ?? [];
    assert.equal(answer?.status ?? 'lost', 'lost', `The joint renewal ${ended} was answered "${answer?.status}"`);
  },
  async (_, adapter, old) => {
    const answer = await adapter.release(old);
    assert.equal(answer, 'not-held', `The release ${ended} was answered "${answer}"`);
  },
  async (_, adapter, old) => {
    const info = await adapter.inspect?.(old.key);
    assert.equal(info, undefined, `inspect ${ended} shows it, with ${info?.remainingMs} ms left`);
  },
  async (_, adapter, old) => {
    const answer = (await adapter.forceRelease?.(old.key)) ?? false;
    assert.equal(answer, false, `The forced release ${ended} says that the key was held`);
  },
];

/** Whoever asks for the key, the owner of the ended hold too, gets it with the next token. */
async function assertGrantedAnew(context: Context, adapter: LockAdapter, old: RawHold, owner?: string): Promise<void> {
  const attempt = context.attempt(old.key, owner === undefined ? {} : { owner });
  const outcome = await adapter.tryAcquire(attempt);
  assert.equal(outcome.status, 'granted', `The key ${ended} is busy`);
  await adapter.release(attempt);
  if (!context.harness.capabilities.fencing) return;
  const last = old.fencingToken! + BigInt(old.granted.tokens ?? 1) - 1n;
  const { fencingToken } = outcome;
  assert.ok(fencingToken! > last, `The key ${ended} was granted with token ${fencingToken}, after ${last}`);
}

/** What becomes of a hold when nothing else goes on. On a busy backend the requests of others may clear up what has ended. */
export const quietCases: readonly Case[] = [
  {
    id: 'LK-0167',
    level: 'MUST',
    rule: 'C-152',
    title: 'on a quiet backend a hold that has ended is over, whatever is asked first',
    hazards: [1, 6, 62],
    requires: { expiry: 'ttl' },
    alone: true,
    async run(context) {
      const one = await context.client();
      // What is asked first may clear up for the rest, so it is another each time.
      const drawn = Math.floor(context.random.between(0, requests.length));
      for (let round = 0; round < (context.thorough ? requests.length : 1); round++) {
        const [own, foreign, ...holds] = await endedInQuiet(context, one, requests.length + 2);
        const first = drawn + round;
        for (const [i, old] of holds.entries()) await requests[(first + i) % requests.length]!(context, one, old);
        await assertGrantedAnew(context, one, own!, own!.owner);
        await assertGrantedAnew(context, one, foreign!);
      }
    },
  },
  {
    id: 'LK-0168',
    level: 'MUST',
    rule: 'C-153',
    title: 'on a quiet backend a queued waiter gets the key of a hold that ends by itself',
    hazards: [38],
    needs: ['enqueue'],
    requires: { expiry: 'ttl' },
    alone: true,
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { ttlMs } = context.timing;
      const { capabilities } = context.harness;
      await context.take(one, key, { ttlMs });
      const heldAt = context.now();
      const attempt = context.attempt(key);
      const granted = await context.soon(
        'a queued waiter gets the key of a hold that has ended',
        two.enqueue!(attempt, attempt.signal),
      );
      const lateMs = context.now() - heldAt - longestLease(capabilities, ttlMs) - capabilities.ttl.maxOvershootMs;
      if (lateMs > context.slackMs) await context.assertMachineRan(context.slackMs / 2);
      context.assertInTime(
        lateMs,
        `The waiter was let in ${Math.round(lateMs)} ms later than the declared overshoot allows`,
      );
      assert.ok(granted.validForMs > 0, `The queue granted a validity of ${granted.validForMs} ms`);
      await assertRelease(two.release(attempt));
    },
  },
];

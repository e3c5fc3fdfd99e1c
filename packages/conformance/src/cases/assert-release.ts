import assert from 'node:assert/strict';
import type { Lock } from '@holdfast/lock-core';
import type { Context } from '../context.ts';

/** Fails unless a release is answered so, and says what the other answer means. */
export async function assertRelease(
  releasing: Promise<'released' | 'lost' | 'not-held'>,
  must: 'released' | 'lost' | 'not-held' = 'released',
): Promise<void> {
  const answer = await releasing;
  const whose = must === 'released' ? 'whose holder gives it back' : 'that its holder has no more';
  assert.equal(answer, must, `The release of a lock ${whose} must answer "${must}"; it answered "${answer}"`);
}

/** The same for a lock with a short lease, which a stall of the machine may end at any moment. */
export async function assertReleased(context: Context, lock: Lock): Promise<void> {
  const until = context.now() + lock.remainingMs;
  const outcome = lock.release();
  if ((await outcome) !== 'released' && context.now() >= until) return;
  await assertRelease(outcome);
}

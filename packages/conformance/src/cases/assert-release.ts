import assert from 'node:assert/strict';

/** Fails unless a release is answered so, and says what the other answer means. */
export async function assertRelease(
  releasing: Promise<'released' | 'lost' | 'not-held'>,
  must: 'released' | 'lost' | 'not-held' = 'released',
): Promise<void> {
  const answer = await releasing;
  const whose = must === 'released' ? 'whose holder gives it back' : 'that its holder has no more';
  assert.equal(answer, must, `The release of a lock ${whose} must answer "${must}"; it answered "${answer}"`);
}

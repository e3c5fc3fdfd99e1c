import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks } from 'holdfast';
import { describe, expect, it } from 'vitest';
import { isRight, type Outcome, play } from '../src/story.ts';

describe('readers and a writer', () => {
  it('read together under a shared lock, and never half of a change', async () => {
    await using locks = createLocks(memoryAdapter());
    const outcomes: Outcome[] = [];
    for (const manner of ['no lock', 'exclusive', 'shared'] as const) outcomes.push(await play(locks, manner));
    const [without, exclusive, shared] = outcomes;
    expect(without!.torn).toBeGreaterThan(0);
    expect(exclusive).toMatchObject({ torn: 0, atOnce: 1, reads: 36 });
    expect(shared).toMatchObject({ torn: 0, reads: 36 });
    expect(shared!.atOnce).toBeGreaterThan(1);
    // The writer has its turns beside the readers.
    expect(shared!.written).toBeGreaterThan(0);
    expect(isRight(outcomes)).toBe(true);
    expect(isRight([])).toBe(false);
  });
});

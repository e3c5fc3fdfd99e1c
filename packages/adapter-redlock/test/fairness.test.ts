import { expect, it } from 'vitest';
import { newName } from '../../redis-protocol/test/support/helpers.ts';
import { passedOn, turnsOf } from '../../redis-protocol/test/support/taking-turns.ts';
import { useRig } from './support/rig.ts';

const rig = useRig();

for (const fencing of [true, false]) {
  it(`who takes a lock again at once lets another process have it in between, ${fencing ? 'with' : 'without'} tokens`, async () => {
    const both = await Promise.all([0, 1].map(() => rig.locks({}, { fencing })));
    const turns = await turnsOf(both, newName(), 100);
    // Nearly all; without it, one in two.
    expect(passedOn(turns)).toBeGreaterThan(0.75);
  });
}

it('four processes that want a lock again and again go round', async () => {
  const four = await Promise.all([0, 1, 2, 3].map(() => rig.locks()));
  const turns = await turnsOf(four, newName(), 60);
  const rounds = turns.slice(3).filter((_, i) => new Set(turns.slice(i, i + 4)).size === 4).length;
  // More than half; without it, one in fifty.
  expect(rounds / turns.length).toBeGreaterThan(0.3);
});

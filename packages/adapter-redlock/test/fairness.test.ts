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

it('of four processes that want a lock again and again each gets at least half its share', async () => {
  const four = await Promise.all([0, 1, 2, 3].map(() => rig.locks()));
  const turns = await turnsOf(four, newName(), 60);
  // All of them wanted it until the first had its 60.
  const shares = four.map((_, i) => turns.filter((turn) => turn === i).length / (turns.length / 4));
  expect(Math.min(...shares), shares.join(' ')).toBeGreaterThan(0.5);
});

import { describe, expect, it } from 'vitest';
import { turnFigures } from '../src/measures/turn-figures.ts';
import type { TurnLog } from '../src/measures/turns.ts';

/** One row for each turn: waiter, asked, granted, given back. */
function log(...turns: [number, number, number, number][]): TurnLog {
  const column = (index: 0 | 1 | 2 | 3): number[] => turns.map((turn) => turn[index]);
  return {
    waiter: Uint16Array.from(column(0)),
    askedAt: Float64Array.from(column(1)),
    grantedAt: Float64Array.from(column(2)),
    givenBackAt: Float64Array.from(column(3)),
  };
}

describe('turnFigures', () => {
  it('counts a turn of the same waiter again as no hand-over', () => {
    const figures = turnFigures([log([0, 0, 10, 11], [0, 11, 12, 13], [1, 0, 20, 21])], 2, 5, 1_005);
    expect(figures).toMatchObject({ handoversPerSecond: 1, turns: 3, most: 2, fewest: 1, overlaps: 0 });
  });

  it('puts the turns of several processes on one time line', () => {
    const one = log([0, 0, 10, 11], [0, 11, 30, 31]);
    const other = log([1, 0, 20, 21], [1, 21, 40, 41]);
    expect(turnFigures([one, other], 2, 5, 1_005)).toMatchObject({ handoversPerSecond: 3, turns: 4, overlaps: 0 });
  });

  it('sees two holders at once', () => {
    expect(turnFigures([log([0, 0, 10, 21]), log([1, 0, 20, 30])], 2, 0, 1_000).overlaps).toBe(1);
    expect(turnFigures([log([0, 0, 10, 20]), log([1, 0, 20, 30])], 2, 0, 1_000).overlaps).toBe(0);
  });

  it('counts the wait of one who is served only after the window, as far as it lies in it', () => {
    expect(turnFigures([log([0, 0, 10, 11], [1, 50, 5_000, 5_001])], 2, 100, 1_100).longestWaitMs).toBe(1_000);
    expect(turnFigures([log([0, 0, 110, 111], [1, 150, 400, 401])], 2, 100, 1_100).longestWaitMs).toBe(250);
  });

  it('names a waiter who was never served', () => {
    const figures = turnFigures([log([0, 0, 110, 111], [0, 111, 112, 113], [1, 0, 2_000, 2_001])], 2, 100, 1_100);
    expect(figures).toMatchObject({ most: 2, fewest: 0 });
  });
});

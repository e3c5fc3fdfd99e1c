import { describe, expect, it } from 'vitest';
import { turnFigures } from '../src/measures/turn-figures.ts';
import type { TurnLog } from '../src/measures/turns.ts';

/** One row for each turn: waiter, asked, granted, given back, token. */
function log(...turns: [number, number, number, number, number?][]): TurnLog {
  const column = (index: number): Float64Array => Float64Array.from(turns, (turn) => turn[index] ?? Number.NaN);
  return {
    waiter: column(0),
    askedAt: column(1),
    grantedAt: column(2),
    givenBackAt: column(3),
    token: column(4),
  };
}

describe('turnFigures', () => {
  it('counts a turn of the same waiter again as no hand-over', () => {
    const figures = turnFigures([log([0, 0, 10, 11], [0, 11, 12, 13], [1, 0, 20, 21])], 2, 5, 1_005);
    expect(figures).toMatchObject({ handoversPerSecond: 1, turns: 3, most: 2, fewest: 1, violations: 0 });
  });

  it('puts the turns of several processes on one time line', () => {
    const one = log([0, 0, 10, 11], [0, 11, 30, 31]);
    const other = log([1, 0, 20, 21], [1, 21, 40, 41]);
    expect(turnFigures([one, other], 2, 5, 1_005)).toMatchObject({ handoversPerSecond: 3, turns: 4, violations: 0 });
  });

  it('sees two holders at once', () => {
    expect(turnFigures([log([0, 0, 10, 21]), log([1, 0, 20, 30])], 2, 0, 1_000).violations).toBe(1);
    expect(turnFigures([log([0, 0, 10, 20]), log([1, 0, 20, 30])], 2, 0, 1_000).violations).toBe(0);
  });

  it('sees two holders by their tokens, though their holds are too short to overlap', () => {
    const one = log([0, 0, 10, 11, 100], [0, 11, 30, 31, 101]);
    const other = (token: number): TurnLog => log([1, 0, 20, 21, token]);
    expect(turnFigures([one, other(165)], 2, 0, 1_000).violations).toBe(1);
    expect(turnFigures([log([0, 0, 10, 11, 100]), other(165)], 2, 0, 1_000).violations).toBe(0);
  });

  it('counts the wait of one who is served only after the window, as far as it lies in it', () => {
    expect(turnFigures([log([0, 0, 10, 11], [1, 50, 5_000, 5_001])], 2, 100, 1_100).longestWaitMs).toBe(1_000);
    expect(turnFigures([log([0, 0, 110, 111], [1, 150, 400, 401])], 2, 100, 1_100).longestWaitMs).toBe(250);
  });

  it('names a waiter who was never served', () => {
    const figures = turnFigures([log([0, 0, 110, 111], [0, 111, 112, 113], [1, 0, 2_000, 2_001])], 2, 100, 1_100);
    expect(figures).toMatchObject({ most: 2, fewest: 0 });
  });

  it('knows what each would wait in a strict queue, however unfair this one was', () => {
    // Four turns in 1,000 ms, of 10 ms each: in turn, four waiters would have one each.
    const figures = turnFigures(
      [log(...[100, 300, 500, 700].map((at): [number, number, number, number] => [0, 0, at, at + 10]))],
      4,
      0,
      1_000,
    );
    expect(figures).toMatchObject({ jain: 0.25, strictWaitMs: 990 });
  });
});

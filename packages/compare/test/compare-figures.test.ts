import { describe, expect, it } from 'vitest';
import { contentionFigures } from '../src/compare/contention-figures.ts';
import { distribution } from '../src/compare/distribution.ts';
import { fitPower } from '../src/compare/growth.ts';
import { windowMs } from '../src/compare/measure-contention.ts';
import { jainIndex } from '../src/stats.ts';

/** Turns of waiters, one row each: waiter, asked, granted, given back, token. */
function logOf(...rows: readonly (readonly [number, number, number, number, number])[]) {
  const column = (i: number): Float64Array => Float64Array.from(rows, (row) => row[i]!);
  return { waiter: column(0), askedAt: column(1), grantedAt: column(2), givenBackAt: column(3), token: column(4) };
}

describe('a growth', () => {
  it('is the exponent of the costs', () => {
    const quadratic = fitPower([10, 100, 1_000].map((n) => ({ n, cost: 3 * n ** 2 })))!;
    expect(quadratic.exponent).toBeCloseTo(2);
    expect(quadratic.factor).toBeCloseTo(3);
    expect(quadratic.r2).toBeCloseTo(1);
    expect(fitPower([1, 10, 100].map((n) => ({ n, cost: 7 })))!.exponent).toBeCloseTo(0);
  });

  it('needs two sizes that cost something', () => {
    expect(fitPower([{ n: 10, cost: 1 }])).toBeUndefined();
    expect(fitPower([10, 100].map((n) => ({ n, cost: 0 })))).toBeUndefined();
  });
});

describe('a distribution', () => {
  it('is that of all lists together', () => {
    const values = distribution([Float64Array.of(5, 1), [4, 2, 3]]);
    expect(values).toMatchObject({ count: 5, min: 1, p25: 2, p50: 3, p75: 4, max: 5 });
  });
});

describe('contention', () => {
  const round = { waiters: 2, from: 0, to: 100, requests: 8 };

  it('counts hand-overs to another waiter, and how long they took', () => {
    const log = logOf([0, 0, 10, 20, 1], [1, 0, 23, 30, 2], [1, 30, 31, 40, 3], [0, 20, 45, 50, 4]);
    const figures = contentionFigures([{ ...round, logs: [log] }]);
    expect(figures.handOversPerSecond.median).toBe(20);
    expect(figures.handOverMs).toMatchObject({ count: 2, min: 3, max: 5 });
    expect(figures.requestsPerHandOver).toBe(4);
    expect(figures).toMatchObject({
      jain: 1,
      mostToFewest: 1,
      longestToStrict: 25 / ((2 * 100 - 31) / 4),
      violations: 0,
    });
  });

  it('shows two holders at once, by the clock over processes and by tokens that do not rise', () => {
    const overlapping = [logOf([0, 0, 10, 30, 1]), logOf([1, 0, 25, 40, 2])];
    expect(contentionFigures([{ ...round, logs: overlapping }]).violations).toBe(1);
    const sameToken = [logOf([0, 0, 10, 20, 5]), logOf([1, 0, 25, 40, 5])];
    expect(contentionFigures([{ ...round, logs: sameToken }]).violations).toBe(1);
  });

  it('is as fair as the index of Jain says', () => {
    expect(jainIndex([5, 5, 5, 5])).toBe(1);
    expect(jainIndex([5, 0, 0, 0])).toBe(0.25);
  });

  it('is measured for long enough that each could have its turn', () => {
    const cell = { waiters: 100, processes: 1, holdMs: 10 };
    expect(windowMs(cell, 0, 300)).toBe(1_500);
    expect(windowMs({ ...cell, holdMs: 0 }, 0.1, 300)).toBe(300);
  });
});

import { describe, expect, it } from 'vitest';
import { ratios, spread } from '../src/stats.ts';
import { isClear, isMet, type Target } from '../src/suite.ts';

describe('figures', () => {
  it('are medians with quartiles, and leave out what is no number', () => {
    expect(spread([5, 1, Number.NaN, 2, 4, 3])).toEqual({ median: 3, low: 2, high: 4 });
  });

  it('are divided round by round', () => {
    expect(ratios([2, 9], [1, 3])).toEqual([2, 3]);
  });
});

describe('a target', () => {
  const target = (values: number[], better: Target['better']): Target => ({
    what: 'x',
    value: spread(values),
    limit: 0.9,
    better,
    unit: '',
  });

  it('is met by the median on the right side of the limit', () => {
    expect(isMet(target([0.1, 0.9, 2], 'more'))).toBe(true);
    expect(isMet(target([0.89, 0.89, 2], 'more'))).toBe(false);
    expect(isMet(target([0.9, 0.9, 2], 'less'))).toBe(true);
    expect(isMet(target([0.91], 'less'))).toBe(false);
  });

  it('is unsure when the limit lies among the middle half of the rounds', () => {
    expect(isClear(target([0.8, 0.91, 0.92, 0.93, 1], 'more'))).toBe(true);
    expect(isClear(target([0.8, 0.85, 0.92, 0.93, 1], 'more'))).toBe(false);
    expect(isClear(target([0.95], 'less'))).toBe(true);
  });

  it('without a single figure is not met', () => {
    expect(isMet(target([], 'more'))).toBe(false);
    expect(isMet(target([Number.NaN], 'less'))).toBe(false);
  });
});

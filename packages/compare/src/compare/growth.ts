import type { Growth } from '../report/schema.ts';

type Point = Growth['points'][number];

/** Fits cost = factor x n ^ exponent by least squares of the logarithms; `undefined` with fewer than two points that are above 0. */
export function fitPower(points: readonly Point[]): Pick<Growth, 'exponent' | 'factor' | 'r2' | 'points'> | undefined {
  const usable = points.filter(({ n, cost }) => n > 0 && cost > 0);
  if (new Set(usable.map(({ n }) => n)).size < 2) return undefined;
  const xs = usable.map(({ n }) => Math.log(n));
  const ys = usable.map(({ cost }) => Math.log(cost));
  const [meanX, meanY] = [mean(xs), mean(ys)];
  const sum = (of: (x: number, y: number) => number): number =>
    xs.reduce((total, x, i) => total + of(x - meanX, ys[i]! - meanY), 0);
  const [xx, xy, yy] = [sum((x) => x * x), sum((x, y) => x * y), sum((_x, y) => y * y)];
  const exponent = xy / xx;
  // All costs alike: a level line fits exactly.
  const r2 = yy === 0 ? 1 : xy ** 2 / (xx * yy);
  return { exponent, factor: Math.exp(meanY - exponent * meanX), r2, points: usable };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

import type { Distribution } from '../report/schema.ts';
import { quantile } from '../stats.ts';

/** How the values of all lists together are distributed; undefined values are NaN when there are none. */
export function distribution(lists: readonly ArrayLike<number>[]): Distribution {
  const sorted = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const list of lists) {
    sorted.set(list, at);
    at += list.length;
  }
  sorted.sort();
  const [p10, p25, p50, p75, p90, p99, p999] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999].map((p) => quantile(sorted, p));
  return {
    count: sorted.length,
    min: sorted[0] ?? Number.NaN,
    p10: p10!,
    p25: p25!,
    p50: p50!,
    p75: p75!,
    p90: p90!,
    p99: p99!,
    p999: p999!,
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/** The values times a factor, such as 1,000 from ms to µs. */
export function times(values: Float64Array, factor: number): Float64Array {
  return values.map((value) => value * factor);
}

import type { Growth } from '../report/schema.ts';

export interface CurvePoint {
  readonly n: number;
  readonly cost: number;
}

/** What `n` locks of one process cost. */
export interface Curve {
  readonly at: (n: number) => number;
  /** Up to here it was measured. */
  readonly measuredTo: number;
}

/**
 * Straight lines between the measured points, since a fixed cost and a cost for each lock add up to one; the first of them is
 * followed down to one lock, and the fitted exponent leads on from the last point (linear growth where nothing was fitted).
 * `undefined` without a point.
 */
export function curveOf(
  points: readonly CurvePoint[],
  growth: Pick<Growth, 'exponent'> | undefined,
): Curve | undefined {
  const sorted = [...points].sort((a, b) => a.n - b.n);
  const last = sorted.at(-1);
  if (last === undefined) return undefined;
  const beyond = (n: number) => last.cost * (n / last.n) ** (growth?.exponent ?? 1);
  const within = (n: number) => {
    const index = Math.max(
      1,
      sorted.findIndex((point) => point.n >= n),
    );
    const [a, b] = [sorted[index - 1]!, sorted[index]];
    if (b === undefined) return a.cost;
    return Math.max(0, a.cost + ((b.cost - a.cost) * (n - a.n)) / (b.n - a.n));
  };
  return { measuredTo: last.n, at: (n) => (n > last.n ? beyond(n) : within(n)) };
}

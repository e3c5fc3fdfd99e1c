import type { Growth } from '../report/schema.ts';

export interface CurvePoint {
  readonly n: number;
  readonly cost: number;
}

/** What `n` locks cost. */
export type Curve = (n: number) => number;

/**
 * Straight lines between the measured points. The fitted exponent leads on from the last one, but never below `atLeast`; down
 * from the first one too, but never steeper than in proportion. In proportion where nothing was fitted; `undefined` without a point.
 */
export function curveOf(
  points: readonly CurvePoint[],
  growth: Pick<Growth, 'exponent'> | undefined,
  atLeast: number,
): Curve | undefined {
  const sorted = [...points].sort((a, b) => a.n - b.n);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const exponent = growth?.exponent ?? 1;
  const beyond = (n: number) => last.cost * (n / last.n) ** Math.max(atLeast, exponent);
  const below = (n: number) => first.cost * (n / first.n) ** Math.min(1, Math.max(0, exponent));
  const between = (n: number) => {
    const index = sorted.findIndex((point) => point.n >= n);
    const [a, b] = [sorted[index - 1]!, sorted[index]!];
    return a.cost + ((b.cost - a.cost) * (n - a.n)) / (b.n - a.n);
  };
  return (n) => (n >= last.n ? beyond(n) : n <= first.n ? below(n) : between(n));
}

/**
 * What it costs without any lock: where the straight line through the first and the last point begins. Never below 0;
 * 0 with one point only.
 */
export function idleCost(points: readonly CurvePoint[]): number {
  const sorted = [...points].sort((a, b) => a.n - b.n);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined || first === last) return 0;
  const slope = Math.max(0, (last.cost - first.cost) / (last.n - first.n));
  return Math.max(0, first.cost - slope * first.n);
}

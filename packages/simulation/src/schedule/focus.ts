import type { Random } from '../random.ts';
import type { Mood } from './mood.ts';
import type { Schedule } from './types.ts';

/** One neighbourhood in which faults of one kind live. */
export type Focus = (random: Random) => Partial<Mood>;

export const fast = (random: Random): Schedule['network'] => {
  const leastMs = random.spread(0.02, 1);
  return { leastMs, mostMs: leastMs * random.spread(1.1, 4), slowRate: 0, slowMs: 1 };
};

export const slow = (random: Random): Schedule['network'] => ({
  ...fast(random),
  slowRate: random.pick([0.1, 0.3, 0.5]),
  slowWay: random.pick([undefined, 'there', 'back', 'back']),
  slowMs: random.spread(50, 2_000),
});

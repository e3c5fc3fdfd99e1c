import type { Random } from '../random.ts';
import type { Fault, Schedule } from './types.ts';

type Span = readonly [least: number, most: number];

/** What one simulation is like as a whole: many are needed that differ, rather than all of an average kind. */
export interface Mood {
  readonly clients: number;
  readonly keys: number;
  readonly steps: number;
  readonly lengthMs: number;
  readonly faults: number;
  /** The kinds of faults to choose from; default: all. */
  readonly kinds: readonly Fault['kind'][] | undefined;
  readonly faultMs: Span | undefined;
  /** The shortest and the longest lease. */
  readonly ttlMs: Span;
  /** The time under a lock. */
  readonly workMs: Span;
  readonly network: Schedule['network'];
  readonly goodClocks: boolean;
  /** How likely a call says something about renewals, and then that there are to be some. */
  readonly autoRenew: readonly [says: number, some: number];
  readonly aborts: number;
  readonly attemptTimeoutMs: Span | undefined;
  readonly backendTimeoutMs: Span | undefined;
  readonly localRunCounts: readonly number[];
  /** What there is more of than usual. */
  readonly emphasis: 'none' | 'forced releases' | 'renewals' | 'nesting' | 'one attempt' | 'several keys';
}

export function drawMood(random: Random): Mood {
  const general = drawGeneral(random);
  if (random.chance(0.4)) return general;
  return { ...general, ...random.pick(focuses)(random.fork('focus')) };
}

function drawGeneral(random: Random): Mood {
  const least = random.spread(0.1, 5);
  const long = random.chance(0.1);
  const lengthMs = long ? random.spread(20_000, 200_000) : random.spread(300, 12_000);
  return {
    clients: random.int(1, 4),
    keys: random.pick([1, 1, 1, 2, 3]),
    steps: Math.round(random.spread(2, long ? 60 : 25)),
    lengthMs,
    faults: random.chance(0.15) ? 0 : Math.round(random.spread(1, 8)),
    kinds: undefined,
    faultMs: undefined,
    ttlMs: random.chance(0.5) ? [60, 2_000] : [500, 30_000],
    workMs: [0.2, random.spread(1, Math.max(20, lengthMs / 3))],
    network: {
      leastMs: least,
      mostMs: least + random.spread(0.1, 20),
      slowRate: random.pick([0, 0, 0.02, 0.1]),
      slowMs: random.spread(10, 3_000),
    },
    goodClocks: random.chance(0.7),
    autoRenew: [0.4, 0.6],
    aborts: 0.2,
    attemptTimeoutMs: undefined,
    backendTimeoutMs: undefined,
    localRunCounts: [0, 0, 1, 2, 5, 64, 1_000],
    emphasis: random.pick([
      ...(['none', 'none', 'none', 'forced releases', 'renewals', 'nesting', 'one attempt', 'several keys'] as const),
    ]),
  };
}

const fast = (random: Random): Schedule['network'] => {
  const leastMs = random.spread(0.02, 1);
  return { leastMs, mostMs: leastMs * random.spread(1.1, 4), slowRate: 0, slowMs: 1 };
};

const slow = (random: Random): Schedule['network'] => ({
  ...fast(random),
  slowRate: random.pick([0.1, 0.3, 0.5]),
  slowWay: random.pick([undefined, 'there', 'back', 'back']),
  slowMs: random.spread(50, 2_000),
});

type Focus = (random: Random) => Partial<Mood>;

/** Short simulations, each about one neighbourhood in which faults of one kind live. */
const focuses: readonly Focus[] = [
  // Calls that nobody hears the end of, under leases that are long enough to see what is left of them.
  (random) => ({
    clients: random.pick([1, 2, 2, 3]),
    keys: 1,
    steps: random.int(1, 8),
    lengthMs: random.spread(300, 4_000),
    faults: random.int(1, 5),
    kinds: ['silence', 'silence', 'stall', 'stall', 'reset', 'half-open', 'half-open', 'freeze', 'outage'],
    faultMs: [20, 3_000],
    ttlMs: [14_000, 60_000],
    workMs: [0.2, random.spread(1, 400)],
    network: random.chance(0.6) ? fast(random) : slow(random),
    autoRenew: [0.6, 0.4],
    aborts: 0.4,
    attemptTimeoutMs: [20, 600],
    backendTimeoutMs: [100, 3_000],
    emphasis: random.pick(['none', 'none', 'renewals', 'one attempt'] as const),
  }),
  // Holders that stay to the end of a lease and beyond, while others wait, and answers that are late.
  (random) => {
    const ttlMs = random.spread(80, 1_500);
    return {
      clients: random.int(2, 3),
      keys: 1,
      steps: random.int(3, 8),
      lengthMs: ttlMs * random.spread(0.3, 3),
      faults: random.pick([0, 0, 1, 3]),
      kinds: ['stall', 'stall', 'half-open', 'pause', 'suspend'],
      faultMs: [ttlMs / 20, ttlMs * 2],
      ttlMs: [ttlMs / 3, ttlMs * 2],
      workMs: [ttlMs / 6, ttlMs * 2.5],
      network: random.chance(0.2) ? fast(random) : { ...slow(random), slowMs: ttlMs * random.spread(0.1, 1.5) },
      autoRenew: [0.9, 0.25],
      attemptTimeoutMs: [ttlMs / 3, ttlMs * 2],
      emphasis: random.pick(['none', 'renewals'] as const),
    };
  },
  // A process that is cut off, or that stands still, for about the length of its leases, with several callers in it.
  (random) => {
    const ttlMs = random.spread(100, 2_000);
    return {
      clients: random.int(2, 3),
      keys: 1,
      steps: random.int(4, 14),
      lengthMs: ttlMs * random.spread(2, 6),
      faults: random.int(1, 3),
      kinds: random.pick([['silence', 'stall'], ['pause', 'suspend'], ['suspend'], ['half-open', 'stall', 'pause']]),
      faultMs: [ttlMs * 0.4, ttlMs * 4],
      ttlMs: [ttlMs * 0.8, ttlMs * 1.3],
      workMs: [ttlMs / 20, ttlMs * random.spread(0.3, 3)],
      network: fast(random),
      autoRenew: [0.8, 0.85],
      localRunCounts: [0, 5, 64, 1_000],
    };
  },
  // Many callers at once and nothing that goes wrong: order, tokens, wake-ups.
  (random) => ({
    clients: random.int(1, 4),
    keys: 1,
    steps: random.int(8, 40),
    lengthMs: random.spread(5, 2_000),
    faults: random.chance(0.7) ? 0 : 1,
    kinds: ['server', 'pause', 'reset'],
    ttlMs: [5_000, 30_000],
    workMs: [0.1, random.spread(0.2, 30)],
    network: fast(random),
    aborts: 0.1,
    localRunCounts: [0, 1, 5, 64, 1_000, 10_000],
    emphasis: random.pick(['none', 'none', 'nesting', 'one attempt'] as const),
  }),
  // Renewals to longer and shorter leases that overtake each other on the way.
  (random) => {
    const ttlMs = random.spread(100, 1_000);
    return {
      clients: random.int(1, 3),
      keys: 1,
      steps: random.int(2, 8),
      lengthMs: ttlMs * random.spread(1, 5),
      faults: random.int(0, 4),
      kinds: ['half-open', 'half-open', 'stall'],
      faultMs: [ttlMs / 10, ttlMs * 3],
      ttlMs: [ttlMs / 2, ttlMs * 6],
      workMs: [ttlMs / 6, ttlMs * 4],
      network: random.chance(0.3) ? fast(random) : { ...slow(random), slowMs: ttlMs * random.spread(0.3, 4) },
      autoRenew: [0.8, 0.4],
      emphasis: 'renewals',
    };
  },
  // Calls in the bodies of others, one after the other and side by side, on several keys.
  (random) => ({
    clients: random.int(1, 2),
    keys: random.int(2, 3),
    steps: random.int(1, 6),
    lengthMs: random.spread(5, 1_000),
    faults: random.chance(0.7) ? 0 : 1,
    ttlMs: [1_000, 30_000],
    workMs: [0.2, random.spread(1, 200)],
    network: fast(random),
    emphasis: 'nesting',
  }),
  // Several keys in one call, leaders and those who watch, on keys that others hold and that are taken away.
  (random) => {
    const ttlMs = random.spread(200, 5_000);
    return {
      clients: random.int(1, 3),
      keys: random.int(2, 4),
      steps: random.int(3, 14),
      lengthMs: ttlMs * random.spread(0.5, 4),
      faults: random.pick([0, 0, 1, 3]),
      kinds: ['silence', 'stall', 'half-open', 'reset', 'pause', 'suspend', 'crash'],
      faultMs: [20, ttlMs * 2],
      ttlMs: [ttlMs / 2, ttlMs],
      workMs: [0.5, ttlMs * random.spread(0.1, 1.5)],
      network: random.chance(0.6) ? fast(random) : slow(random),
      aborts: random.pick([0.1, 0.4]),
      emphasis: 'several keys',
    };
  },
  // Forced releases, and what they do to those who hold and wait.
  (random) => ({
    clients: random.int(2, 3),
    keys: 1,
    steps: random.int(4, 14),
    lengthMs: random.spread(200, 4_000),
    faults: random.int(0, 4),
    kinds: ['silence', 'stall', 'half-open', 'reset'],
    faultMs: [20, 1_500],
    ttlMs: [500, 10_000],
    workMs: [2, random.spread(20, 2_000)],
    network: random.chance(0.5) ? fast(random) : slow(random),
    emphasis: 'forced releases',
  }),
  // What only this backend can suffer.
  (random) => ({
    clients: random.int(1, 3),
    keys: 1,
    steps: random.int(3, 12),
    lengthMs: random.spread(200, 4_000),
    faults: random.int(1, 5),
    kinds: ['server'],
    faultMs: [20, 2_000],
    ttlMs: random.chance(0.5) ? [200, 2_000] : [14_000, 60_000],
    workMs: [0.5, random.spread(5, 1_500)],
    network: fast(random),
    attemptTimeoutMs: random.chance(0.5) ? [20, 300] : undefined,
  }),
];

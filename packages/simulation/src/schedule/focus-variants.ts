import type { Random } from '../random.ts';
import { fast } from './focus.ts';
import type { Mood } from './mood.ts';

/** The lease is made shorter, which is held up on its way, and then much longer, which overtakes it. */
export const shorterThenLonger = (random: Random, ttlMs: number): Partial<Mood> => ({
  clients: random.int(2, 3),
  keys: 1,
  modes: 0.15,
  steps: random.int(2, 6),
  lengthMs: ttlMs * random.spread(0.5, 3),
  faults: random.int(2, 4),
  kinds: ['half-open'],
  faultMs: [ttlMs * 0.5, ttlMs * 3],
  lagMs: [0.1, 6],
  ttlMs: [ttlMs, ttlMs * 2],
  renewTtlsMs: [
    [ttlMs * 0.3, ttlMs * 0.8],
    [ttlMs * 10, ttlMs * 40],
  ],
  workMs: [ttlMs, ttlMs * 8],
  network: fast(random),
  autoRenew: [0.8, 0.5],
  aborts: 0.05,
  backendTimeoutMs: [ttlMs, ttlMs * 10],
  attemptTimeoutMs: [ttlMs / 30, ttlMs / 8],
  emphasis: 'renewed holds',
});

/** Writers who go on as readers for long, beside other readers of their process. */
export const goingOnAsReaders = (random: Random): Partial<Mood> => ({
  clients: random.int(1, 2),
  mix: { permits: 0, shared: 0.8, downgrades: 0.95 },
  steps: random.int(2, 6),
  faults: 0,
  workMs: [2_000, 20_000],
  autoRenew: [0.1, 0.9],
  aborts: 0.05,
  emphasis: 'work',
});

/** Waiters with a place each, many of whom are killed, and are dead by the time that it is their turn. */
export const deadWaiters = (random: Random): Partial<Mood> => ({
  clients: 2,
  modes: 0.1,
  steps: random.int(12, 24),
  lengthMs: random.spread(50, 300),
  faults: 1,
  kinds: ['crash'],
  lagMs: [300, 2_000],
  ttlMs: [300, 1_500],
  ownTtl: 0,
  ownWait: 0.1,
  graceMs: undefined,
  workMs: [3_500, 6_000],
  autoRenew: [0.05, 0.9],
  aborts: 0.02,
  localRunCounts: [0],
  emphasis: 'work',
});

/** Processes whose messages take about as long as their work: much changes between what they see and what they ask for next. */
export const handOversFarAway = (random: Random): Partial<Mood> => {
  const leastMs = random.spread(1, 20);
  return {
    steps: random.int(4, 12),
    lengthMs: leastMs * random.spread(2, 40),
    leadMs: [0.2, leastMs * 40],
    workMs: [leastMs / 2, leastMs * 10],
    network: { leastMs, mostMs: leastMs * random.spread(1.1, 2), slowRate: 0, slowMs: 1 },
    ownWait: 0.1,
    attemptTimeoutMs: undefined,
    localRunCounts: [0],
    emphasis: 'work',
  };
};

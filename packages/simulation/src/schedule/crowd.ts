import type { Random } from '../random.ts';
import { type Focus, fast } from './focus.ts';
import type { Mood } from './mood.ts';

const crowding = (random: Random): Partial<Mood> => ({
  clients: random.int(1, 4),
  steps: random.int(8, 40),
  lengthMs: random.spread(5, 2_000),
  faults: random.chance(0.7) ? 0 : 1,
  kinds: ['server', 'pause', 'reset'],
  workMs: [0.1, random.spread(0.2, 30)],
  aborts: 0.1,
  // Where nothing is passed on within a process, the order is strict.
  localRunCounts: random.chance(0.3) ? [0] : [0, 1, 5, 64, 1_000, 10_000],
  emphasis: random.pick(['none', 'none', 'nesting', 'one attempt'] as const),
});

/** Processes with many callers each, who want the same, and pass it on among each other until it is the turn of another process. */
const sharing = (random: Random): Partial<Mood> => ({
  clients: random.int(2, 3),
  modes: random.pick([0.1, 0.1, 1]),
  // Where nobody keeps a queue it takes many turns to see that chance is not even.
  steps: random.chance(0.2) ? random.int(60, 140) : random.int(15, 40),
  lengthMs: random.spread(1, 100),
  faults: 0,
  ownTtl: 0,
  workMs: [0.1, random.spread(1, 20)],
  autoRenew: [0.05, 0.9],
  aborts: 0.02,
  localRunCounts: [1, 2, 5, 64],
  localRunMs: [0.5, 5, 50],
  emphasis: 'work',
});

/** Readers who follow each other closely, and a few who want the key alone and must get in between them. */
const streaming = (random: Random): Partial<Mood> => {
  const lengthMs = random.spread(60, 400);
  return {
    ...sharing(random),
    modes: 1,
    mix: { permits: 0, shared: 0.95, downgrades: 0 },
    steps: random.int(30, 60),
    lengthMs,
    workMs: [lengthMs / 20, lengthMs / 5],
    localRunMs: [0.5, 5],
  };
};

/** Many callers of one key at once, in some simulations of processes that share it. */
const crowd: Focus = (random) => ({
  ...(random.chance(0.3) ? random.pick([sharing, sharing, streaming])(random) : crowding(random)),
  keys: 1,
  ttlMs: [5_000, 30_000],
  network: fast(random),
});

/** Callers who wait for long, each with a place of its own, of whom many give up before it is their turn. */
const leavers: Focus = (random) => ({
  clients: random.int(1, 3),
  keys: 1,
  modes: random.pick([0.1, 0.6]),
  steps: random.int(5, 16),
  lengthMs: random.spread(5, 600),
  faults: random.pick([0, 0, 0, 1]),
  kinds: ['reset', 'half-open', 'crash'],
  faultMs: [20, 3_000],
  ttlMs: [5_000, 30_000],
  ownTtl: random.pick([0, 0, 0.3]),
  graceMs: random.chance(0.3) ? [500, 5_000] : undefined,
  workMs: [50, random.spread(100, 3_000)],
  network: fast(random),
  autoRenew: [0.1, 0.5],
  aborts: random.pick([0.3, 0.6]),
  localRunCounts: random.pick([[0], [0, 5, 64]]),
  emphasis: 'work',
});

/** Readers that come together, of whom some end by themselves and are to be followed by their grace, with a writer behind them. */
const gracedReaders: Focus = (random) => {
  const ttlMs = random.spread(100, 2_000);
  return {
    clients: random.int(1, 2),
    keys: 1,
    modes: 1,
    steps: random.int(4, 12),
    lengthMs: ttlMs * random.spread(0.1, 1),
    faults: random.pick([0, 0, 1]),
    kinds: ['stall', 'pause', 'silence'],
    faultMs: [ttlMs / 4, ttlMs * 2],
    ttlMs: [ttlMs * 0.8, ttlMs * 1.2],
    workMs: [ttlMs * 0.3, ttlMs * 2],
    network: fast(random),
    autoRenew: [0.5, 0.5],
    aborts: 0.05,
    graceMs: [ttlMs, ttlMs * 3],
    localRunCounts: [5, 64],
    emphasis: 'work',
  };
};

export const crowdFocuses: Readonly<Record<string, Focus>> = {
  'a crowd': crowd,
  'those who leave a queue': leavers,
  'readers with a grace': gracedReaders,
};

import { crowdFocuses } from './crowd.ts';
import { type Focus, fast, slow } from './focus.ts';
import { deadWaiters, goingOnAsReaders, shorterThenLonger } from './focus-variants.ts';
import { serverFocuses } from './server-focuses.ts';

/** Short simulations, each about one neighbourhood in which faults of one kind live. */
export const focuses: Readonly<Record<string, Focus>> = {
  // Calls that nobody hears the end of, under leases that are long enough to see what is left of them.
  'calls without an answer': (random) => ({
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
  'the end of a lease': (random) => {
    const ttlMs = random.spread(80, 1_500);
    return {
      clients: random.int(2, 3),
      keys: 1,
      steps: random.int(3, 8),
      lengthMs: ttlMs * random.spread(0.3, 3),
      faults: random.pick([0, 0, 1, 3]),
      kinds: ['stall', 'stall', 'half-open', 'pause', 'suspend', 'crash'],
      faultMs: [ttlMs / 20, ttlMs * 2],
      ttlMs: [ttlMs / 3, ttlMs * 2],
      workMs: [ttlMs / 6, ttlMs * 2.5],
      network: random.chance(0.2) ? fast(random) : { ...slow(random), slowMs: ttlMs * random.spread(0.1, 1.5) },
      autoRenew: [0.9, 0.25],
      graceMs: random.chance(0.3) ? [ttlMs / 4, ttlMs * 3] : undefined,
      attemptTimeoutMs: [ttlMs / 3, ttlMs * 2],
      emphasis: random.pick(['none', 'renewals'] as const),
    };
  },
  // Holders that stay beyond a lease that they have renewed by themselves, with answers that are late now and then.
  'late answers': (random) => {
    const ttlMs = random.spread(100, 1_500);
    const leastMs = random.spread(0.02, 1);
    return {
      clients: 2,
      keys: 1,
      steps: random.int(2, 5),
      lengthMs: ttlMs * random.spread(0.2, 1),
      faults: random.pick([0, 0, 1]),
      kinds: ['stall', 'pause'],
      faultMs: [ttlMs / 20, ttlMs],
      ttlMs: [ttlMs * 0.8, ttlMs * 1.3],
      workMs: [ttlMs * 0.5, ttlMs * 3],
      network: {
        leastMs,
        mostMs: 2 * leastMs,
        slowRate: random.pick([0.2, 0.4]),
        slowWay: 'back',
        slowMs: ttlMs * random.spread(0.1, 0.6),
      },
      autoRenew: [1, 0.1],
      aborts: 0.05,
      attemptTimeoutMs: [ttlMs / 2, ttlMs * 2],
      emphasis: 'renewals',
    };
  },
  // Requests that arrive once more when they have long been answered, and their lease has been made longer.
  'late repetitions': (random) => {
    const ttlMs = random.spread(60, 2_500);
    const reorders = random.chance(0.25);
    return {
      clients: 2,
      keys: random.pick([1, 1, 2]),
      modes: 0.15,
      steps: random.int(4, 10),
      lengthMs: ttlMs * random.spread(0.5, 4),
      faults: reorders ? 0 : random.int(2, 4),
      kinds: ['half-open'],
      faultMs: [ttlMs, ttlMs * 8],
      leadMs: [0.2, 8],
      ttlMs: [ttlMs * 0.7, ttlMs * 1.5],
      renewTtlsMs: [[ttlMs * 6, ttlMs * 30]],
      workMs: [ttlMs * 2, ttlMs * 12],
      network: reorders
        ? { ...fast(random), slowRate: 0.4, slowWay: 'there', slowMs: ttlMs * random.spread(1, 5) }
        : fast(random),
      autoRenew: [0.8, 0.8],
      aborts: 0.05,
      // Some longer than a client takes to connect again, so that it is the client that repeats.
      attemptTimeoutMs: [ttlMs / 8, ttlMs],
      emphasis: 'renewed holds',
    };
  },
  // Places in a queue that last for many beats, some of which are held up until their process holds the lock.
  'long waits amid broken connections': (random) => ({
    clients: random.int(2, 3),
    keys: 1,
    modes: 0.2,
    steps: random.int(2, 6),
    lengthMs: random.spread(500, 5_000),
    faults: random.int(1, 4),
    kinds: random.pick([['half-open'], ['half-open'], ['half-open', 'stall']]),
    faultMs: [1_500, 15_000],
    lagMs: [300, 8_000],
    ttlMs: [10_000, 60_000],
    ownTtl: 0.2,
    workMs: [300, random.spread(1_000, 15_000)],
    network: fast(random),
    autoRenew: [0.1, 0.5],
    aborts: 0.05,
    localRunCounts: [0, 0, 5],
    emphasis: 'work',
  }),
  // A process that is cut off, or that stands still, for about the length of its leases, with several callers in it.
  'a process that is cut off': (random) => {
    const ttlMs = random.spread(100, 2_000);
    return {
      clients: random.int(2, 3),
      keys: 1,
      steps: random.int(5, 16),
      lengthMs: ttlMs * random.spread(0.5, 6),
      faults: random.int(1, 3),
      kinds: random.pick([['silence', 'stall'], ['pause', 'suspend'], ['suspend'], ['half-open', 'stall', 'pause']]),
      faultMs: [ttlMs * 0.4, ttlMs * 4],
      ttlMs: [ttlMs * 0.8, ttlMs * 1.3],
      ownTtl: random.pick([0, 0.5]),
      workMs: [ttlMs / 20, ttlMs * random.spread(0.2, 2)],
      network: fast(random),
      autoRenew: [0.8, 0.85],
      graceMs: random.chance(0.3) ? [ttlMs / 4, ttlMs * 3] : undefined,
      localRunCounts: [0, 5, 64, 1_000],
    };
  },
  // A process that is killed while it holds or waits, and others that have to come in by the end of its lease alone.
  'a process that is killed': (random) => {
    const ttlMs = random.spread(100, 5_000);
    return {
      clients: random.int(2, 3),
      keys: 1,
      steps: random.int(3, 8),
      lengthMs: ttlMs * random.spread(0.05, 1.5),
      faults: random.int(1, 2),
      kinds: random.pick([['crash'], ['crash'], ['crash', 'stall', 'pause']]),
      faultMs: [ttlMs / 10, ttlMs],
      lagMs: [0.1, ttlMs],
      ttlMs: [ttlMs * 0.8, ttlMs * 1.3],
      workMs: [ttlMs / 20, ttlMs * random.spread(0.2, 2)],
      network: fast(random),
      aborts: 0.05,
      graceMs: random.chance(0.3) ? [ttlMs / 4, ttlMs * 3] : undefined,
      emphasis: random.pick(['work', 'work', 'none', 'renewals'] as const),
      ...(random.chance(0.3) && deadWaiters(random)),
    };
  },
  // Callers of one process that pass the lock on among themselves, while the process is cut off for about a lease.
  'hand-overs without a server': (random) => {
    const ttlMs = random.spread(100, 2_000);
    return {
      clients: 2,
      keys: 1,
      steps: random.int(8, 20),
      lengthMs: ttlMs * random.spread(0.3, 2),
      faults: random.int(1, 4),
      kinds: random.pick([['silence', 'stall'], ['silence', 'stall'], ['half-open'], ['freeze', 'outage']]),
      faultMs: [ttlMs, ttlMs * 4],
      ttlMs: [ttlMs * 0.8, ttlMs * 1.3],
      ownTtl: random.pick([0, 0, 0.1]),
      workMs: [ttlMs / 20, ttlMs * random.spread(0.3, 1)],
      network: fast(random),
      autoRenew: [0.1, 0.5],
      aborts: 0.05,
      localRunCounts: [5, 64, 1_000],
      localRunMs: [500, Number.POSITIVE_INFINITY],
      emphasis: 'work',
    };
  },
  // Readers, writers and those who want permits, who wait in a process for each other, and some of whom give up.
  'several modes': (random) => ({
    clients: random.int(1, 3),
    keys: 1,
    modes: 1,
    steps: random.int(8, 24),
    lengthMs: random.spread(20, 1_000),
    faults: random.pick([0, 0, 0, 2]),
    kinds: ['stall', 'pause', 'reset', 'crash'],
    faultMs: [10, 2_000],
    ttlMs: [5_000, 30_000],
    ownTtl: random.pick([0, 0, 0.3]),
    // Some hold it for long enough to see who waits beside them.
    workMs: random.chance(0.3) ? [20, 30_000] : [1, random.spread(20, 400)],
    network: fast(random),
    autoRenew: [0.1, 0.6],
    aborts: random.pick([0.1, 0.5]),
    localRunCounts: random.chance(0.3) ? [0] : [0, 5, 64, 1_000],
    localRunMs: [50, 500, Number.POSITIVE_INFINITY],
    emphasis: random.pick(['work', 'work', 'none', 'nesting'] as const),
    ...(random.chance(0.15) && goingOnAsReaders(random)),
  }),
  // Renewals to longer and shorter leases that overtake each other on the way.
  'renewals that overtake each other': (random) => {
    const ttlMs = random.spread(100, 1_000);
    if (random.chance(0.6)) return shorterThenLonger(random, ttlMs);
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
      // A renewal that is given up is followed by one that asks for another lease.
      backendTimeoutMs: random.chance(0.6) ? [10, ttlMs] : undefined,
      attemptTimeoutMs: random.chance(0.6) ? [10, ttlMs / 2] : undefined,
      emphasis: 'renewals',
    };
  },
  // Calls in the bodies of others, one after the other and side by side, on several keys.
  nesting: (random) => ({
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
  'several keys': (random) => {
    const ttlMs = random.spread(200, 5_000);
    return {
      clients: random.int(1, 3),
      keys: random.int(1, 3),
      steps: random.int(3, 14),
      lengthMs: ttlMs * random.spread(0.5, 4),
      faults: random.pick([0, 0, 1, 3]),
      kinds: ['silence', 'stall', 'half-open', 'reset', 'pause', 'suspend', 'crash'],
      faultMs: [20, ttlMs * 2],
      ttlMs: [ttlMs / 2, ttlMs],
      workMs: [0.5, ttlMs * random.spread(0.1, 1.5)],
      network: random.chance(0.6) ? fast(random) : slow(random),
      aborts: random.pick([0.1, 0.4]),
      autoRenew: [0.7, 0.4],
      graceMs: random.chance(0.7) ? [ttlMs / 4, ttlMs * 3] : undefined,
      emphasis: 'several keys',
    };
  },
  ...crowdFocuses,
  ...serverFocuses,
};

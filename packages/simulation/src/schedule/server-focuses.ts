import { type Focus, fast, slow } from './focus.ts';
import { handOversFarAway } from './focus-variants.ts';

/** Neighbourhoods of what operators do, of what befalls servers, and of what only some backends can do. */
export const serverFocuses: Readonly<Record<string, Focus>> = {
  // Forced releases, and what they do to those who hold and wait.
  'forced releases': (random) => ({
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
  'what only this backend can suffer': (random) => ({
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
  // One thing that befalls a server, again and again, while some processes do not reach some servers.
  'a server in trouble': (random) => ({
    clients: random.int(2, 3),
    keys: 1,
    steps: random.int(3, 10),
    lengthMs: random.spread(100, 2_000),
    faults: random.int(3, 9),
    kinds: ['server', 'server', random.pick(['silence', 'silence', 'stall', 'half-open'])],
    oneServerFault: true,
    faultMs: [20, 4_000],
    leadMs: [0.2, 300],
    ttlMs: random.chance(0.3) ? [300, 2_000] : [14_000, 60_000],
    workMs: [5, random.spread(50, 3_000)],
    network: fast(random),
    aborts: 0.1,
    attemptTimeoutMs: random.chance(0.6) ? [10, 200] : undefined,
    ...(random.chance(0.3) && handOversFarAway(random)),
  }),
  // Contenders of which each is answered late by some servers, or not at all: votes that come in when all is decided.
  'some servers that answer late': (random) => {
    const breaks = random.chance(0.4);
    return {
      clients: random.int(1, 3),
      keys: 1,
      modes: 0.3,
      steps: random.int(4, 14),
      lengthMs: random.spread(5, 600),
      faults: random.int(2, 6),
      kinds: breaks ? ['outage', 'reset'] : random.pick([['stall'], ['stall', 'freeze']]),
      faultMs: [1, 1_500],
      ...(breaks ? { lagMs: [0.5, random.spread(2, 16)] } : { leadMs: [0.01, 2] }),
      ttlMs: [20_000, 60_000],
      workMs: [0.05, random.spread(0.1, breaks ? 1 : 200)],
      // Where the answers of the servers are far apart, more breaks between them.
      network: breaks ? { leastMs: 0.5, mostMs: random.spread(2, 12), slowRate: 0, slowMs: 1 } : fast(random),
      aborts: 0.1,
      attemptTimeoutMs: random.chance(0.5) ? [20, 2_000] : undefined,
      emphasis: random.pick(['one attempt', 'none', 'work'] as const),
    };
  },
  // Transactions that outlast the leases of the locks that they assert, of processes that stand still or are cut off meanwhile.
  'a lock in a transaction': (random) => {
    const ttlMs = random.spread(60, 1_500);
    return {
      clients: random.int(2, 3),
      keys: 1,
      steps: random.int(3, 9),
      lengthMs: ttlMs * random.spread(0.3, 4),
      faults: random.int(0, 4),
      kinds: ['pause', 'pause', 'suspend', 'crash', 'silence', 'stall', 'half-open', 'reset', 'server'],
      faultMs: [ttlMs * 0.3, ttlMs * 4],
      ttlMs: [ttlMs * 0.8, ttlMs * 1.3],
      workMs: [ttlMs / 10, ttlMs * random.spread(0.3, 3)],
      network: random.chance(0.7) ? fast(random) : slow(random),
      autoRenew: [0.8, 0.3],
      aborts: 0.1,
      emphasis: 'transactions',
    };
  },
};

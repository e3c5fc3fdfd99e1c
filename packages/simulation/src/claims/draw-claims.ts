import type { Random } from '../random.ts';
import type { Mood } from '../schedule/mood.ts';
import type { ClaimStep, SimulatedClaim } from '../schedule/types.ts';

/** Draws what the processes ask an adapter for: readers and writers of some keys, permits of others; `races`: often at one moment. */
export function drawClaims(random: Random, mood: Mood, races = false): ClaimStep[] {
  const keys = random.pick([['lock'], ['lock'], ['permits'], ['permits'], ['lock', 'permits']]);
  const limit = random.pick([1, 2, 3, 3, 5]);
  const large = random.chance(0.4);
  const isLong = random.chance(0.5);
  const forces = random.chance(0.3);
  // Leases that end under their holders, while others go on.
  const overstay = random.chance(0.3);
  // Short leases that are renewed for longer, whose holders ask again meanwhile.
  const renews = !overstay && random.chance(0.3);
  const spreadMs = races ? random.pick([0.5, 3, 20]) : 20;
  const asksOnce = random.chance(0.35);
  const count = random.int(3, 14);
  const lengthMs = Math.min(mood.lengthMs, 6_000);
  const steps = Array.from({ length: count }, (_, id): ClaimStep => {
    const key = random.pick(keys);
    const ttlMs = Math.round(overstay || renews ? random.spread(300, 3_000) : random.spread(2_000, 20_000));
    return {
      id: id + 1,
      at: random.chance(0.4) ? random.next() * lengthMs : (random.int(1, 3) / 4) * lengthMs + random.next() * spreadMs,
      client: random.int(0, mood.clients - 1),
      key,
      claim: key === 'lock' ? drawMode(random) : drawPermits(random, limit, large),
      waits: random.chance(asksOnce ? 0.3 : 0.8),
      repeatsMs: random.chance(0.6) ? random.spread(0.2, 300) : undefined,
      asksAgainAfterMs: random.chance(renews ? 0.7 : 0.1) ? random.next() * 2 * ttlMs : undefined,
      ttlMs,
      renewsForMs: random.chance(renews ? 0.8 : 0.1) ? Math.round(ttlMs * random.spread(2, 12)) : ttlMs,
      tokens: random.chance(0.5) ? 1 : Math.round(random.spread(2, 3_000)),
      // Long enough to see that somebody waits beside it who need not.
      workMs: renews
        ? ttlMs * random.spread(0.3, 6)
        : isLong && random.chance(0.4)
          ? random.spread(15_000, 30_000)
          : random.spread(0.5, 800),
      downgradesAfter: random.chance(0.5) ? random.next() : undefined,
      overstaysMs: random.chance(overstay ? 0.5 : 0.05) ? random.spread(1, 3_000) : undefined,
      forcedAfterMs: random.chance(forces ? 0.6 : 0.05) ? random.spread(1, 2_000) : undefined,
      abortMs: random.chance(0.2) ? random.spread(1, 3_000) : undefined,
    };
  });
  return steps.sort((a, b) => a.at - b.at);
}

const drawMode = (random: Random): SimulatedClaim => ({ mode: random.pick(['exclusive', 'shared', 'shared']) });

function drawPermits(random: Random, limit: number, large: boolean): SimulatedClaim {
  const others = random.chance(0.08) ? limit + 1 : limit;
  return { mode: 'permits', permits: large ? random.int(1, others) : 1, limit: others };
}

import type { Random } from '../random.ts';
import type { Mood } from './mood.ts';
import type { Fault, Step } from './types.ts';

type Kind = Fault['kind'];

const kinds: readonly Kind[] = [
  'silence',
  'silence',
  'silence',
  'stall',
  'stall',
  'stall',
  'reset',
  'reset',
  'half-open',
  'half-open',
  'freeze',
  'outage',
  'pause',
  'pause',
  'suspend',
  'crash',
  'step-wall',
];

/** Draws what goes wrong, and when. */
export function drawFaults(
  random: Random,
  mood: Mood,
  serverFaults: readonly string[],
  servers: number,
  steps: readonly Step[],
): Fault[] {
  const allowed = (mood.kinds ?? kinds).filter((kind) => kind !== 'server' || serverFaults.length > 0);
  if (allowed.length === 0) return [];
  // One simulation has few kinds of faults, so that each kind is also met alone.
  const some = Array.from({ length: random.int(1, 4) }, () => random.pick(allowed));
  const known: readonly Kind[] =
    mood.kinds === undefined && serverFaults.length > 0 && random.chance(0.4) ? [...some, 'server', 'server'] : some;
  const names = mood.oneServerFault ? [random.pick(serverFaults)] : serverFaults;
  const draft = { random, mood, names, servers, steps };
  const faults = Array.from({ length: mood.faults }, () => drawFault(draft, random.pick(known)));
  return faults.sort((a, b) => a.at - b.at);
}

interface Draft {
  readonly random: Random;
  readonly mood: Mood;
  readonly names: readonly string[];
  readonly servers: number;
  readonly steps: readonly Step[];
}

/** At any moment; or soon after a call has begun, and then in its process; or before it, so that it meets the fault. */
function drawPlace({ random, mood, steps }: Draft): { at: number; client: number } {
  const anywhere = { at: random.next() * mood.lengthMs, client: random.int(0, mood.clients - 1) };
  if (steps.length === 0 || random.chance(0.4)) return anywhere;
  const step = random.pick(steps);
  if (mood.leadMs !== undefined)
    return { at: Math.max(0, step.at - random.spread(...mood.leadMs)), client: step.client };
  if (mood.lagMs !== undefined) return { at: step.at + random.spread(...mood.lagMs), client: step.client };
  const soonMs = random.spread(0.1, Math.max(20, Math.min(mood.ttlMs[1], mood.lengthMs)));
  return { at: Math.max(0, step.at + (random.chance(0.4) ? -soonMs : soonMs)), client: step.client };
}

function drawFault(draft: Draft, kind: Kind): Fault {
  const { random, mood, names, servers } = draft;
  const { at, client } = drawPlace(draft);
  const server = random.int(0, servers - 1);
  const ms = drawLength(random, mood);
  switch (kind) {
    case 'pause':
      return { kind, at, client, ms };
    case 'suspend':
      // Less than 50 ms is a clock that is set, as far as anybody can tell.
      return { kind, at, client, ms: Math.max(ms, 60) };
    case 'crash':
      return { kind, at, client };
    case 'step-wall':
      return { kind, at, client, ms: Math.round((random.next() - 0.5) * 20_000_000) };
    case 'silence':
    case 'stall':
      return { kind, at, client, server, direction: random.pick(['there', 'back', 'both'] as const), ms };
    case 'reset':
      return { kind, at, client, server };
    case 'half-open':
      return { kind, at, client, server, ms, brokenAfterMs: ms * random.next() ** 2 };
    case 'freeze':
      return { kind, at, server, ms };
    case 'outage':
      return { kind, at, server, ms: random.chance(0.01) ? ms + 3_600_000 : ms };
    case 'server':
      return { kind, at, server, name: random.pick(names), ms };
  }
}

/** Shorter than a request, about as long as a lease, or much longer. */
function drawLength(random: Random, mood: Mood): number {
  if (mood.faultMs !== undefined) return random.spread(...mood.faultMs);
  if (random.chance(0.3)) return random.spread(1, 50);
  return random.spread(20, Math.min(60_000, mood.ttlMs[1] * 3));
}

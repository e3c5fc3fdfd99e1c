import type { BackendModel } from '../backends/backend.ts';
import type { Random } from '../random.ts';
import type { Mood } from './draw.ts';
import type { Fault } from './types.ts';

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
  'freeze',
  'outage',
  'pause',
  'pause',
  'suspend',
  'crash',
  'step-wall',
];

/** Draws what goes wrong, and when. */
export function drawFaults(random: Random, mood: Mood, model: BackendModel, servers: number): Fault[] {
  // One simulation has few kinds of faults, so that each kind is also met alone.
  const some = Array.from({ length: random.int(1, 4) }, () => random.pick(kinds));
  const known: readonly Kind[] =
    model.serverFaults.length > 0 && random.chance(0.4) ? [...some, 'server', 'server'] : some;
  const faults: Fault[] = [];
  for (let i = 0; i < mood.faults; i++) faults.push(drawFault(random, random.pick(known), mood, model, servers));
  return faults.sort((a, b) => a.at - b.at);
}

function drawFault(random: Random, kind: Kind, mood: Mood, model: BackendModel, servers: number): Fault {
  const at = random.next() * mood.lengthMs;
  const client = random.int(0, mood.clients - 1);
  const server = random.int(0, servers - 1);
  const ms = drawLength(random, mood);
  switch (kind) {
    case 'pause':
    case 'suspend':
      return { kind, at, client, ms };
    case 'crash':
      return { kind, at, client };
    case 'step-wall':
      return { kind, at, client, ms: Math.round((random.next() - 0.5) * 20_000_000) };
    case 'silence':
    case 'stall':
      return { kind, at, client, server, direction: random.pick(['there', 'back', 'both'] as const), ms };
    case 'reset':
      return { kind, at, client, server };
    case 'freeze':
      return { kind, at, server, ms };
    case 'outage':
      return { kind, at, server, ms: random.chance(0.01) ? ms + 3_600_000 : ms };
    case 'server':
      return { kind, at, server, name: random.pick(model.serverFaults), ms };
  }
}

/** Shorter than a request, about as long as a lease, or much longer. */
function drawLength(random: Random, mood: Mood): number {
  if (random.chance(0.3)) return random.spread(1, 50);
  return random.spread(20, Math.min(60_000, mood.ttlMs[1] * 3));
}

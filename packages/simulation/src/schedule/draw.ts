import type { BackendModel } from '../backends/backend.ts';
import { drawClaims } from '../claims/draw-claims.ts';
import { createRandom, type Random } from '../random.ts';
import { drawFaults } from './draw-faults.ts';
import { drawModeMix, withModes } from './draw-modes.ts';
import { drawMood, type Mood } from './mood.ts';
import type { BackendName, ClientTerms, Deed, LocksTerms, Schedule, Step, StepOptions } from './types.ts';

/** Draws a whole simulation from a seed; `about` keeps to one neighbourhood. */
export function drawSchedule(seed: string, backend: BackendName, model: BackendModel, about?: string): Schedule {
  const random = createRandom(`${backend} ${seed}`);
  const options = model.drawOptions(random.fork('options'));
  const serverFaults = model.serverFaults(options);
  const troubles = {
    hasServerFaults: serverFaults.length > 0,
    hasTransactions: model.hasTransactions ?? false,
    hasNodes: backend === 'redlock' && model.servers(options) > 1,
  };
  const mood = drawMood(random.fork('mood'), troubles, about);
  const clients = Array.from({ length: mood.clients }, (_, i) => drawClient(random.fork(`client ${i}`), mood));
  const draft = {
    random: random.fork('steps'),
    mood,
    clients,
    hasGuard: model.hasGuard ?? false,
    hasTransactions: model.hasTransactions ?? false,
    hasLeases: backend !== 'zookeeper',
    nextId: 1,
  };
  const playsClaims = model.hasClaims === true && random.fork('plays claims').chance(0.25);
  const claims = playsClaims ? drawClaims(random.fork('claims'), mood, backend === 'redlock') : undefined;
  const count = playsClaims ? 0 : mood.steps;
  const modes = random.fork('modes');
  const playsModes = model.takesModes?.(options) === true && modes.chance(mood.modes ?? 0.5);
  const mix = playsModes ? (mood.mix ?? drawModeMix(modes)) : undefined;
  const steps = Array.from({ length: count }, () => drawStep(draft))
    .map((step) => (mix ? withModes(modes, step, mix) : step))
    .sort((a, b) => a.at - b.at);
  return {
    seed,
    backend,
    about: mood.about,
    options: playsClaims ? withPatience(options, 5 * mood.network.mostMs) : options,
    clients,
    // Nothing repeats what is late here, as core would.
    network: playsClaims ? { ...mood.network, slowRate: 0 } : mood.network,
    steps,
    ...(claims && { claims }),
    faults: drawFaults(random.fork('faults'), mood, serverFaults, model.servers(options), steps),
  };
}

/** Whoever plays claims asks until it is answered, which no call would be in less time than the way there and back. */
function withPatience(options: Schedule['options'], leastMs: number): Schedule['options'] {
  const patient = { ...options };
  for (const name of ['nodeTimeoutMs', 'callTimeoutMs'] as const) {
    if (Number(options[name]) < leastMs) patient[name] = Math.ceil(leastMs);
  }
  return patient;
}

function drawClient(random: Random, mood: Mood): ClientTerms {
  return {
    rate: mood.goodClocks ? 1 : 1 + (random.next() - 0.5) * 0.004,
    wallOffsetMs: random.chance(0.3) ? Math.round((random.next() - 0.5) * 200_000_000) : 0,
    originMs: Math.round(random.spread(1, 10_000_000)),
    locks: Array.from({ length: random.pick([1, 1, 1, 2]) }, () => drawLocks(random, mood)),
  };
}

const maybe = <T>(random: Random, probability: number, draw: () => T): T | undefined =>
  random.chance(probability) ? draw() : undefined;

function drawTtl(random: Random, mood: Mood, span = mood.ttlMs): number {
  if (random.chance(0.005)) return 2 ** 31 + random.int(0, 1_000_000);
  return Math.round(random.spread(...span));
}

const localRunMs = [0.5, 5, 50, 500, Number.POSITIVE_INFINITY];

function drawLocks(random: Random, mood: Mood): LocksTerms {
  return {
    ttlMs: drawTtl(random, mood),
    waitMs: maybe(random, mood.ownWait ?? 0.3, () => drawWait(random)),
    autoRenew: maybe(random, 0.3, () => random.chance(0.5)),
    maxHoldMs: maybe(random, 0.1, () => random.spread(50, 60_000)),
    backendTimeoutMs: maybe(random, mood.backendTimeoutMs ? 0.8 : 0.4, () =>
      random.spread(...(mood.backendTimeoutMs ?? [20, 20_000])),
    ),
    attemptTimeoutMs: maybe(random, mood.attemptTimeoutMs ? 0.7 : 0.3, () =>
      random.spread(...(mood.attemptTimeoutMs ?? [20, 5_000])),
    ),
    localRun: maybe(random, mood.localRunMs === undefined && mood.localRunCounts.length > 1 ? 0.5 : 0.95, () => ({
      count: random.pick(mood.localRunCounts),
      ms: maybe(random, mood.localRunMs === undefined ? 0.5 : 1, () => random.pick(mood.localRunMs ?? localRunMs)),
    })),
  };
}

function drawWait(random: Random): number {
  return random.pick([0, random.spread(1, 100), random.spread(100, 10_000), random.spread(100, 10_000)]);
}

interface Draft {
  readonly random: Random;
  readonly mood: Mood;
  readonly clients: readonly ClientTerms[];
  readonly hasGuard: boolean;
  readonly hasTransactions: boolean;
  readonly hasLeases: boolean;
  nextId: number;
}

interface Around {
  readonly client: number;
  readonly locks: number;
  readonly key: string;
  readonly owner: number | undefined;
  readonly depth: number;
  readonly isUsing: boolean;
}

const calls: readonly Step['call'][] = [
  ...Array<Step['call']>(9).fill('acquire'),
  ...Array<Step['call']>(5).fill('using'),
  ...Array<Step['call']>(4).fill('tryAcquire'),
  'forceRelease',
  'inspect',
  'list',
];

/** What is drawn rather often where it is looked for. */
const severalKeys: readonly Step['call'][] = [
  'acquireAll',
  'acquireAll',
  'acquireAll',
  'tryAcquireAll',
  'tryAcquireAll',
  'lead',
  'watch',
];

function drawStep(draft: Draft, around?: Around): Step {
  const { random, mood, clients } = draft;
  const id = draft.nextId++;
  const client = around?.client ?? random.int(0, mood.clients - 1);
  const locks = around?.locks ?? random.int(0, clients[client]!.locks.length - 1);
  const sameKey = around !== undefined && random.chance(mood.emphasis === 'nesting' ? 0.3 : 0.6);
  const key = sameKey ? around.key : `k${random.int(1, mood.keys)}`;
  const lasting = drawCall(draft);
  const call = around !== undefined && !['acquire', 'using', 'tryAcquire'].includes(lasting) ? 'using' : lasting;
  const closes = around === undefined && random.chance(0.02);
  const options = drawStepOptions(draft, around);
  const kept = random.chance(0.06);
  return {
    id,
    at: around === undefined ? drawMoment(random, mood) : 0,
    client,
    locks,
    call: closes ? 'close' : call,
    key,
    more: call.endsWith('All') ? drawMore(random, mood) : undefined,
    // What is never released must end by itself.
    options: kept ? { ...options, maxHoldMs: options.maxHoldMs ?? random.spread(50, 5_000) } : options,
    watches: random.pick(['signal', 'state', 'both'] as const),
    inside: drawDeeds(draft, {
      client,
      locks,
      key,
      owner: options.owner,
      depth: (around?.depth ?? 0) + 1,
      isUsing: call === 'using',
    }),
    release: kept ? 'never' : random.chance(0.05) ? 'twice' : 'once',
  };
}

/** In no order, and perhaps some of them twice. */
const drawMore = (random: Random, { keys }: Mood): string[] =>
  Array.from({ length: random.int(0, 3) }, () => `k${random.int(1, keys)}`);

function drawCall({ random, mood: { emphasis } }: Draft): Step['call'] {
  if (emphasis === 'forced releases' && random.chance(0.3)) return 'forceRelease';
  if (emphasis === 'several keys' && random.chance(0.6)) return random.pick(severalKeys);
  if (emphasis === 'nesting' && random.chance(0.6)) return 'using';
  if ((emphasis === 'renewed holds' || emphasis === 'work') && random.chance(0.85)) return 'acquire';
  if (emphasis === 'one attempt' && random.chance(0.6)) return 'tryAcquire';
  return random.pick(calls);
}

/** Many calls come in crowds, at nearly the same moment. */
function drawMoment(random: Random, mood: Mood): number {
  if (random.chance(0.5)) return random.next() * mood.lengthMs;
  const crowd = random.int(1, 3) / 4;
  return crowd * mood.lengthMs + random.next() * 5;
}

function drawStepOptions({ random, mood, hasLeases }: Draft, around: Around | undefined): StepOptions {
  // An owner that is passed on would re-enter; which one a body's own context has is then not ours to guess.
  const owner = around?.owner ?? maybe(random, around === undefined ? 0.15 : 0, () => random.int(1, 2));
  return {
    ttlMs: maybe(random, mood.ownTtl, () => drawTtl(random, mood)),
    // A nested call may wait for its own surroundings: it must give up.
    waitMs: around !== undefined ? random.spread(1, 3_000) : maybe(random, mood.ownWait ?? 0.5, () => drawWait(random)),
    autoRenew: maybe(random, mood.autoRenew[0], () => random.chance(mood.autoRenew[1])),
    maxHoldMs: maybe(random, 0.08, () => random.spread(20, 20_000)),
    graceMs: mood.graceMs && hasLeases ? maybe(random, 0.6, () => Math.round(random.pick(mood.graceMs!))) : undefined,
    reentrant: maybe(random, 0.1, () => random.chance(0.3)),
    owner,
    abortMs: maybe(random, mood.aborts, () => (random.chance(0.1) ? 0 : random.spread(0.5, 5_000))),
  };
}

/** Below 0.55 work, below 0.75 a renewal, below 0.8 an assertion, else something nested; `nth` is 0 for the first thing that is done. */
function drawKind({ random, mood }: Draft, nth: number): number {
  const { emphasis } = mood;
  if (emphasis === 'work') return 0.3;
  if (emphasis === 'renewed holds') return nth < (mood.renewTtlsMs?.length ?? 1) ? 0.6 : 0.3;
  if (emphasis === 'renewals' && random.chance(0.6)) return 0.6;
  return emphasis === 'nesting' && random.chance(0.6) ? 0.9 : random.next();
}

function drawDeeds(draft: Draft, around: Around): Deed[] {
  const { random, mood } = draft;
  const deeds: Deed[] = [];
  const renewals = mood.renewTtlsMs?.length ?? 0;
  const count = renewals + random.pick(mood.emphasis === 'none' ? [0, 1, 1, 1, 2, 3] : [1, 2, 3, 4]);
  for (let i = 0; i < count; i++) {
    const kind = drawKind(draft, i);
    if (kind < 0.55) {
      deeds.push({ do: 'work', ms: random.chance(0.1) ? 0 : random.spread(...mood.workMs) });
      if (draft.hasGuard && random.chance(0.3)) deeds.push({ do: 'write' });
      if (draft.hasTransactions && random.chance(mood.emphasis === 'transactions' ? 0.8 : 0.15))
        deeds.push(drawTransaction(random, mood));
    } else if (kind < 0.75) {
      const span = mood.renewTtlsMs?.[i % mood.renewTtlsMs.length];
      const ttlMs = maybe(random, span ? 0.9 : 0.7, () => drawTtl(random, mood, span));
      deeds.push({ do: 'renew', ttlMs, awaited: random.chance(0.7) });
      if (draft.hasGuard && random.chance(0.3)) deeds.push({ do: 'write' });
    } else if (kind < 0.8) deeds.push({ do: 'assert' });
    else if (around.depth < 3 && (around.isUsing || around.owner !== undefined)) {
      const beside = random.chance(mood.emphasis === 'nesting' ? 0.6 : 0.4);
      deeds.push({ do: 'nested', step: drawStep(draft, around), beside });
    }
  }
  return deeds;
}

function drawTransaction(random: Random, mood: Mood): Deed {
  const ends = random.pick(['commit', 'commit', 'commit', 'rollback', 'abandon'] as const);
  return { do: 'transaction', ms: random.chance(0.2) ? 0 : random.spread(...mood.workMs), ends };
}

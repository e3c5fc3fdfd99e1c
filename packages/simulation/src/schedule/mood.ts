import type { Random } from '../random.ts';
import type { ModeMix } from './draw-modes.ts';
import { focuses } from './focuses.ts';
import type { Fault, Schedule } from './types.ts';

type Span = readonly [least: number, most: number];

/** What one simulation is like as a whole: many are needed that differ, rather than all of an average kind. */
export interface Mood {
  /** The neighbourhood in which it looks for faults. */
  readonly about: string;
  readonly clients: number;
  readonly keys: number;
  readonly steps: number;
  readonly lengthMs: number;
  readonly faults: number;
  /** The kinds of faults to choose from; default: all. */
  readonly kinds: readonly Fault['kind'][] | undefined;
  readonly faultMs: Span | undefined;
  /** Of what only the backend knows, one thing alone. */
  readonly oneServerFault?: boolean;
  /** The shortest and the longest lease. */
  readonly ttlMs: Span;
  /** How likely a call asks for another lease than its `Locks`. */
  readonly ownTtl: number;
  /** How likely a call, or its `Locks`, says how long it waits; default: about half. */
  readonly ownWait?: number;
  /** What the renewals under one lock ask for, one after the other and all over again; default: like every lease. */
  readonly renewTtlsMs?: readonly Span[] | undefined;
  /** How long before a call a fault begins, or how long after it; default: at any moment, half of them near a call. */
  readonly leadMs?: Span | undefined;
  readonly lagMs?: Span | undefined;
  /** The time under a lock. */
  readonly workMs: Span;
  readonly network: Schedule['network'];
  readonly goodClocks: boolean;
  /** How likely a call says something about renewals, and then that there are to be some. */
  readonly autoRenew: readonly [says: number, some: number];
  readonly aborts: number;
  /** How likely some ask for shared locks and for permits, where the backend has them; default: about half. */
  readonly modes?: number;
  /** Of which of them there are how many; default: drawn. */
  readonly mix?: ModeMix;
  /** Where it is drawn at all. */
  readonly graceMs?: Span | undefined;
  readonly attemptTimeoutMs: Span | undefined;
  readonly backendTimeoutMs: Span | undefined;
  readonly localRunCounts: readonly number[];
  /** For how long a process may pass a lock on within itself; default: any time, also the usual one. */
  readonly localRunMs?: readonly number[];
  /** What there is more of than usual. */
  readonly emphasis:
    | 'none'
    | 'forced releases'
    | 'renewals'
    | 'renewed holds'
    | 'work'
    | 'nesting'
    | 'one attempt'
    | 'several keys'
    | 'transactions';
}

const inTransactions = 'a lock in a transaction';
const ofServers = ['what only this backend can suffer', 'a server in trouble'];
const ofNodes = 'some servers that answer late';

/** What a backend can suffer beside what all can. */
export interface Troubles {
  readonly hasServerFaults: boolean;
  readonly hasTransactions: boolean;
  /** Servers that are asked one by one. */
  readonly hasNodes: boolean;
}

/** `about` chooses a neighbourhood; without it three of ten simulations are of a general kind. */
export function drawMood(
  random: Random,
  { hasServerFaults, hasTransactions, hasNodes }: Troubles,
  about?: string,
): Mood {
  const general = drawGeneral(random);
  const chosen = random.next();
  const names = Object.keys(focuses).filter(
    (one) =>
      (hasServerFaults || !ofServers.includes(one)) &&
      (hasTransactions || one !== inTransactions) &&
      (hasNodes || one !== ofNodes),
  );
  const drawn = hasServerFaults && chosen < 0.25 ? 'a server in trouble' : random.pick(names);
  const special = hasTransactions ? inTransactions : hasNodes ? ofNodes : undefined;
  const often = special !== undefined && chosen >= (hasNodes ? 0.6 : 0.5) && chosen < 0.7 ? special : drawn;
  const name = about ?? (chosen < 0.7 ? often : undefined);
  if (name === undefined) return general;
  const focus = focuses[name];
  if (focus === undefined)
    throw new Error(`There is no ${JSON.stringify(name)}; there are: ${Object.keys(focuses).join(', ')}.`);
  return { ...general, about: name, ...focus(random.fork('focus')) };
}

function drawGeneral(random: Random): Mood {
  const least = random.spread(0.1, 5);
  const long = random.chance(0.1);
  const lengthMs = long ? random.spread(20_000, 200_000) : random.spread(300, 12_000);
  return {
    about: 'everything',
    clients: random.int(1, 4),
    keys: random.pick([1, 1, 1, 2, 3]),
    steps: Math.round(random.spread(2, long ? 60 : 25)),
    lengthMs,
    faults: random.chance(0.15) ? 0 : Math.round(random.spread(1, 8)),
    kinds: undefined,
    faultMs: undefined,
    ttlMs: random.chance(0.5) ? [60, 2_000] : [500, 30_000],
    ownTtl: 0.5,
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

import { machineNow } from '../clock.ts';
import { figure, spreadText } from '../format.ts';
import { type TurnFigures, turnFigures } from '../measures/turn-figures.ts';
import { column, type Rounds } from '../rounds.ts';
import type { RedisCounters } from '../servers.ts';
import { median, ratios, spread } from '../stats.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import type { Mix } from '../subjects/subject.ts';
import type { Table } from '../suite.ts';

/** How many want the lock at the same time. */
export const waiters = 32;

export interface TurnRound extends TurnFigures {
  /** Server commands for each turn, where they are counted, and the calls of clients among them. */
  readonly commands: number;
  readonly calls: number;
}

const uncounted = { commands: Number.NaN, scripts: Number.NaN };

// Messages arrive and timers fire within that time, unless the machine is very busy.
const leadMs = 100;

type Counts = Pick<RedisCounters, 'commands' | 'scripts'>;

export interface TurnPlan {
  readonly key: string;
  readonly forMs: number;
  /** How long each keeps the key; 0 unless said. */
  readonly holdMs?: number;
  readonly mix?: Mix | undefined;
  /** What the server has counted so far. */
  readonly counters?: (() => Promise<Counts>) | undefined;
}

/** 32 waiters in one or more processes compete for a key. What they do first, and after the end, does not count. */
export async function measureTurnsOf(
  processes: readonly SubjectProcess[],
  { key, forMs, holdMs = 0, mix, counters = async () => uncounted }: TurnPlan,
): Promise<TurnRound> {
  const each = waiters / processes.length;
  const startAt = machineNow() + leadMs;
  const from = startAt + forMs * 0.2;
  const endAt = from + forMs;
  const before = await counters();
  const logs = await Promise.all(
    processes.map((process, i) =>
      process.ask('turns', { key, waiters: each, firstWaiter: i * each, holdMs, mix, startAt, endAt }),
    ),
  );
  const after = await counters();
  const figures = turnFigures(logs, waiters, from, endAt);
  return {
    ...figures,
    commands: (after.commands - before.commands) / figures.allTurns,
    calls: (after.scripts - before.scripts) / figures.allTurns,
  };
}

export const handovers = ({ handoversPerSecond }: TurnRound): number => handoversPerSecond;
const unfairness = ({ most, fewest }: TurnRound): number => most / fewest;
const commands = (round: TurnRound): number => round.commands;
export const calls = (round: TurnRound): number => round.calls;
const strictWait = ({ strictWaitMs }: TurnRound): number => strictWaitMs;
export const heldShare = (round: TurnRound): number => round.heldShare;
export const leastShare = (round: TurnRound): number => round.leastShare;
export const jain = (round: TurnRound): number => round.jain;
const longestWait = ({ longestWaitMs }: TurnRound): number => longestWaitMs;

/**
 * Round by round the longest wait of one, against what each would wait in an ideal strict queue. A turn of that takes as long as
 * one of `strict` did, so that who is slow is not the fairer for it; of itself where there is no strict order to compare with.
 */
export function waitSpread(rounds: Rounds<TurnRound>, name: string, strict: string = name): number[] {
  return ratios(column(rounds, name, longestWait), column(rounds, strict, strictWait));
}

interface TurnLine {
  readonly name: string;
  /** What its hand-overs are compared with. */
  readonly base: string;
  /** The one in strict order, on the same server. */
  readonly strict?: string | undefined;
}

/** A line for each subject, with its ratio to the one that it is measured against. */
export function turnTable(
  rounds: Rounds<TurnRound>,
  lines: readonly TurnLine[],
  baseTitle: string = 'the first',
  what: string = `${waiters} waiters for one key, hold 0 ms`,
): Table {
  const areCounted = lines.some(({ name }) => column(rounds, name, commands).some((count) => !Number.isNaN(count)));
  const compared = lines.some(({ name, base }) => name !== base);
  return {
    title:
      `${what}: hand-overs to another waiter.` +
      (compared ? ` Ratios are to ${baseTitle} within each round: median (half of the rounds).` : ''),
    head: [
      ...[
        '',
        'hand-overs/s',
        ...(compared ? ['ratio'] : []),
        'most/fewest turns',
        'Jain',
        'longest wait ms',
        '/ strict',
        'held',
      ],
      ...(areCounted ? ['calls/turn', 'commands'] : []),
    ],
    rows: lines.map(({ name, base, strict }) => {
      const of = (pick: (round: TurnRound) => number): string => figure(median(column(rounds, name, pick)));
      const ratio = spread(ratios(column(rounds, name, handovers), column(rounds, base, handovers)));
      return [
        name,
        of(handovers),
        ...(compared ? [name === base ? '1' : spreadText(ratio)] : []),
        of(unfairness),
        of(jain),
        of(longestWait),
        figure(median(waitSpread(rounds, name, strict))),
        of(heldShare),
        ...(areCounted ? [of(calls), of(commands)] : []),
      ];
    }),
  };
}

/** Two holders of one key, by the machine's clock or by their tokens: the one thing that may not be. */
export function exclusionFailures(rounds: Rounds<TurnRound>): string[] {
  return [...rounds].flatMap(([name, figures]) => {
    const violations = figures.reduce((sum, round) => sum + round.violations, 0);
    return violations === 0 ? [] : [`${name}: ${violations} times two held the key at once.`];
  });
}

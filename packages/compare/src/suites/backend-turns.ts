import type { Progress } from '../progress.ts';
import { column, interleave, type Rounds } from '../rounds.ts';
import { ratios, spread } from '../stats.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import type { SubjectSpec } from '../subjects/subject.ts';
import type { Effort, Table, Target } from '../suite.ts';
import { handovers, measureTurnsOf, type TurnRound, turnTable, waitSpread } from './turns.ts';

/** A lock that all want on one backend: the raw calls in one process, Holdfast and Holdfast in strict order in one and in two. */

const [raw, ours, strict] = ['raw', 'Holdfast', 'Holdfast, strict order'];
const inTwo = (name: string): string => `${name}, 2 processes`;
const lines = [
  ...[raw, ours, strict].map((name) => ({ name, kind: name, processes: 1 })),
  ...[ours, strict].map((name) => ({ name: inTwo(name), kind: name, processes: 2 })),
];

const secondOf = (name: string): string => `${name} 2`;

/** Each subject and the same in a second process. */
export function inTwoProcesses(specs: Readonly<Record<string, SubjectSpec>>): Record<string, SubjectSpec> {
  return Object.fromEntries(
    Object.entries(specs).flatMap(([name, spec]) => [
      [name, spec],
      [secondOf(name), spec],
    ]),
  );
}

/** Measures all lines, the subjects being named `raw`, `Holdfast` and `Holdfast, strict order`. */
export async function backendTurns(
  subjects: ReadonlyMap<string, SubjectProcess>,
  { quick, rounds }: Effort,
  progress: Progress,
): Promise<Rounds<TurnRound>> {
  let keys = 0;
  const lineOf = new Map(lines.map((line) => [line.name, line]));
  return interleave([...lineOf.keys()], rounds ?? (quick ? 3 : 7), progress, (name) => {
    const { kind, processes } = lineOf.get(name)!;
    keys += 1;
    const them = [kind, secondOf(kind)].slice(0, processes).map((each) => subjects.get(each)!);
    return measureTurnsOf(them, { key: `handover-${keys}`, forMs: quick ? 1_000 : 2_000 });
  });
}

export function backendTurnTable(turns: Rounds<TurnRound>, rawTitle: string): Table {
  return turnTable(
    turns,
    lines.map(({ name, processes }) => ({
      name,
      base: raw,
      strict: processes === 1 ? strict : inTwo(strict),
    })),
    rawTitle,
  );
}

/** What a queue of processes is to be worth: of two processes, against each hand-over going through the backend. */
export function backendTurnTargets(turns: Rounds<TurnRound>): Target[] {
  const [two, strictInTwo] = [inTwo(ours), inTwo(strict)];
  return [
    {
      what: `${ours}: hand-overs`,
      value: spread(column(turns, ours, handovers)),
      limit: 50_000,
      better: 'more',
      unit: '/s',
    },
    {
      what: `${two}: hand-overs / ${strictInTwo}`,
      value: spread(ratios(column(turns, two, handovers), column(turns, strictInTwo, handovers))),
      limit: 10,
      better: 'more',
      unit: '',
    },
    // On a slow backend, each waiter gets only one or two turns, too few for Jain's index.
    ...[strict, strictInTwo].map(
      (name): Target => ({
        what: `${name}: longest wait / wait in a strict queue`,
        value: spread(waitSpread(turns, name)),
        limit: 3,
        better: 'less',
        unit: '',
      }),
    ),
  ];
}

import { startPostgres } from '@holdfast/testbed';
import { figure } from '../format.ts';
import { column, interleave, type Rounds } from '../rounds.ts';
import { postgresRequests, postgresVersion, serverCpuSeconds } from '../servers.ts';
import { median, ratios, spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { SubjectSpec } from '../subjects/subject.ts';
import type { Suite, Target } from '../suite.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';
import { lossFailures, measureHoldingOf } from './holding.ts';
import { exclusionFailures, handovers, measureTurnsOf, type TurnRound, turnTable, waiters } from './turns.ts';

const [raw, loop, transaction, ours] = ['raw', 'pg_try_advisory_lock', 'pg_advisory_xact_lock', 'Holdfast'];
const kinds: Readonly<Record<string, SubjectSpec['kind']>> = {
  [raw]: 'postgres raw',
  [loop]: 'postgres advisory loop',
  [transaction]: 'postgres advisory transaction',
  [ours]: 'postgres',
};
const processes = 4;
const task = { locks: 10_000, ttlMs: 9_000 };

/** PostgreSQL: free locks, a wanted lock, and held locks. */
export const postgres: Suite = {
  title:
    'PostgreSQL: against one INSERT … ON CONFLICT and one DELETE, prepared, on the same driver, with neither a queue nor an end to the ' +
    'lock of a crashed process; waiters against polling every 10 ms with these, and against the advisory locks of the server, asked every ' +
    '10 ms and waited for in a transaction, on the same 10 connections',
  async run(effort, progress) {
    await using server = await startPostgres({ settings: { fsync: 'on' } });
    const { port } = server;
    const nameOf = (kind: string, index: number): string => (index === 0 ? kind : `${kind} ${index}`);
    progress('starting');
    await using subjects = await startSubjects(
      Object.fromEntries(
        Object.entries(kinds).flatMap(([name, kind]) =>
          Array.from({ length: processes }, (_, i) => [nameOf(name, i), { kind, port } as SubjectSpec]),
        ),
      ),
    );
    const { quick } = effort;
    const alone = new Map([raw, ours].map((name) => [name, subjects.get(name)!]));
    const cycles = await cycleRounds(alone, effort, progress, {
      ...{ rounds: 21, sliceMs: 300, warmUpOps: 10_000 },
      serverCpuSeconds: () => serverCpuSeconds(server),
    });
    const names = Object.keys(kinds);
    const lineOf = (name: string, count: number): string => `${name}, ${count} process${count > 1 ? 'es' : ''}`;
    const lines = new Map(
      [1, processes].flatMap((count) => names.map((name) => [lineOf(name, count), { name, count }])),
    );
    const measure = (line: string, round: number): Promise<TurnRound> => {
      const { name, count } = lines.get(line)!;
      const them = Array.from({ length: count }, (_, i) => subjects.get(nameOf(name, i))!);
      return measureTurnsOf(them, { key: `handover-${line}-${round}`, forMs: quick ? 500 : 1_000 });
    };
    const turns = await interleave([...lines.keys()], effort.rounds ?? (quick ? 3 : 7), progress, measure);
    const holding = await interleave([ours], effort.rounds ?? (quick ? 1 : 3), progress, (name) =>
      measureHoldingOf(subjects.get(name)!, task, task.ttlMs * 2, async () => [await postgresRequests(server)]),
    );
    // All that are held are renewed by one call.
    const renewals = column(holding, ours, ({ perSecond }) => (perSecond[0]! * task.ttlMs) / 3_000);

    return {
      server: `${await postgresVersion(server)}, each commit synced to disk`,
      tables: [
        cycleTable(cycles, [
          { name: raw, base: raw },
          { name: ours, base: raw },
        ]),
        turnTable(
          turns,
          [...lines].map(([line, { count }]) => ({ name: line, base: lineOf(raw, count) })),
          'polling every 10 ms',
        ),
        {
          title: `${figure(task.locks)} held locks with a TTL of ${task.ttlMs / 1_000} s`,
          head: ['', 'calls in a third of the TTL', 'node CPU s in 10 s'],
          rows: [
            [ours, figure(median(renewals)), figure(median(column(holding, ours, ({ cpuSeconds }) => cpuSeconds)))],
          ],
        },
      ],
      targets: [
        ...cycleTargets(cycles, ours, raw, { sequential: 0.9, inFlight: 0.9 }),
        toOthers(turns, raw, processes, 5, 'polling every 10 ms'),
        ...[loop, transaction].flatMap((name) => [1, processes].map((count) => toOthers(turns, name, count, 1, name))),
        {
          what: `${ours}: calls to renew ${figure(task.locks)} locks in a third of their TTL`,
          value: spread(renewals),
          limit: 1.5,
          better: 'less',
          unit: '',
        },
      ],
      failures: [...exclusionFailures(turns), ...lossFailures(holding, [ours])],
      rounds: {
        cycles: Object.fromEntries(cycles),
        turns: Object.fromEntries(turns),
        holding: Object.fromEntries(holding),
      },
    };

    function toOthers(rounds: Rounds<TurnRound>, name: string, count: number, limit: number, title: string): Target {
      const of = (who: string): number[] => column(rounds, lineOf(who, count), handovers);
      return {
        what: `${lineOf(ours, count)}, ${waiters} waiters: hand-overs / ${title}`,
        value: spread(ratios(of(ours), of(name))),
        ...{ limit, better: 'more', unit: '' },
      };
    }
  },
};

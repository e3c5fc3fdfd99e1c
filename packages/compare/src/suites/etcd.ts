import { startEtcd } from '@holdfast/testbed';
import { figure } from '../format.ts';
import { column, interleave } from '../rounds.ts';
import { etcdRequests, etcdVersion } from '../servers.ts';
import { median, ratios, spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { Suite } from '../suite.ts';
import { backendTurns, backendTurnTable, backendTurnTargets, inTwoProcesses } from './backend-turns.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';
import { lossFailures, measureHoldingOf } from './holding.ts';
import { exclusionFailures, handovers } from './turns.ts';

const [raw, queue, ours, strict] = ['raw', 'raw, a queue', 'Holdfast', 'Holdfast, strict order'];
const task = { locks: 1_000, ttlMs: 3_000 };

/** etcd: free locks, a wanted lock, and held locks. */
export const etcd: Suite = {
  title:
    'etcd: against two raw transactions (create if absent, delete if mine) under one shared lease, with no deadlines and no queue; ' +
    'and against the smallest sequence of raw calls that gives the same guarantees, which puts a place in a queue, sees who is ' +
    'ahead, frees it, and has deadlines. Waiters against polling every 10 ms with the former',
  async run(effort, progress) {
    await using server = await startEtcd();
    const { port } = server;
    progress('starting');
    await using subjects = await startSubjects({
      [raw]: { kind: 'etcd raw', port },
      ...inTwoProcesses({
        [ours]: { kind: 'etcd', port },
        [strict]: { kind: 'etcd', port, strict: true },
      }),
      [queue]: { kind: 'etcd raw queue', port },
    });
    const free = new Map([raw, queue, ours].map((name) => [name, subjects.get(name)!]));
    const { quick } = effort;

    // Many at a time share transactions, and leave the client's code for a single one cold.
    for (const [name, subject] of free) {
      progress(`warming up ${name}`);
      await subject.ask('cycles', { inFlight: 1, forMs: quick ? 2_000 : 4_000 });
    }
    const cycles = await cycleRounds(free, effort, progress, { rounds: 21, sliceMs: 300, warmUpOps: 10_000 });
    const turns = await backendTurns(subjects, effort, progress);
    // They keep a lease alive, too.
    for (const [name, subject] of subjects) if (name !== ours) await subject[Symbol.asyncDispose]();
    const holding = await interleave([ours], effort.rounds ?? (quick ? 1 : 3), progress, (name) =>
      measureHoldingOf(subjects.get(name)!, task, 10_000, async () => [await etcdRequests(server)]),
    );
    const requests = column(holding, ours, ({ perSecond }) => perSecond[0]!);

    return {
      server: await etcdVersion(server),
      tables: [
        cycleTable(
          cycles,
          [raw, queue, ours].map((name) => ({ name, base: raw })),
        ),
        backendTurnTable(turns, 'polling every 10 ms'),
        {
          title: `${figure(task.locks)} held locks with a TTL of ${task.ttlMs / 1_000} s`,
          head: ['', 'requests/s', 'node CPU s in 10 s'],
          rows: [
            [ours, figure(median(requests)), figure(median(column(holding, ours, ({ cpuSeconds }) => cpuSeconds)))],
          ],
        },
      ],
      targets: [
        ...cycleTargets(cycles, ours, raw, { sequential: 0.9, inFlight: 0.95 }),
        ...cycleTargets(cycles, ours, queue, { sequential: 0.95, inFlight: 0.95 }, queue),
        {
          what: `${ours}: hand-overs / polling every 10 ms`,
          value: spread(ratios(column(turns, ours, handovers), column(turns, raw, handovers))),
          limit: 5,
          better: 'more',
          unit: '',
        },
        ...backendTurnTargets(turns),
        {
          what: `${ours}: requests to keep ${figure(task.locks)} locks`,
          value: spread(requests),
          limit: 2,
          better: 'less',
          unit: '/s',
        },
      ],
      failures: [...exclusionFailures(turns), ...lossFailures(holding, [ours])],
      rounds: {
        cycles: Object.fromEntries(cycles),
        turns: Object.fromEntries(turns),
        holding: Object.fromEntries(holding),
      },
    };
  },
};

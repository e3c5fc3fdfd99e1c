import { startZookeeper } from '@holdfast/testbed';
import { figure } from '../format.ts';
import { column, interleave } from '../rounds.ts';
import { zookeeperRequests, zookeeperVersion } from '../servers.ts';
import { median, spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { Suite } from '../suite.ts';
import { backendTurns, backendTurnTable, backendTurnTargets, inTwoProcesses } from './backend-turns.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';
import { lossFailures, measureHoldingOf } from './holding.ts';
import { exclusionFailures } from './turns.ts';

const [raw, ours, strict] = ['raw', 'Holdfast', 'Holdfast, strict order'];
const task = { locks: 1_000, ttlMs: 3_000 };

/** ZooKeeper: free locks, a wanted lock, and held locks. How quick it is depends on the disk: each lock is two synced writes. */
export const zookeeper: Suite = {
  title: 'ZooKeeper: against create, then getChildren together with exists of the own node, then delete',
  async run(effort, progress) {
    await using server = await startZookeeper();
    const { port } = server;
    progress('starting');
    await using subjects = await startSubjects({
      [raw]: { kind: 'zookeeper raw', port },
      ...inTwoProcesses({
        [ours]: { kind: 'zookeeper', port },
        [strict]: { kind: 'zookeeper', port, strict: true },
      }),
    });
    const names = [raw, ours];
    const { quick } = effort;

    // The server's compiler takes its time, too.
    const cycles = await cycleRounds(new Map(names.map((name) => [name, subjects.get(name)!])), effort, progress, {
      rounds: 21,
      sliceMs: 300,
      warmUpOps: 40_000,
    });
    const turns = await backendTurns(subjects, effort, progress);
    // Their sessions are kept alive, too.
    for (const [name, subject] of subjects) if (name !== ours) await subject[Symbol.asyncDispose]();
    const holding = await interleave([ours], effort.rounds ?? (quick ? 1 : 3), progress, (name) =>
      measureHoldingOf(subjects.get(name)!, task, 10_000, async () => [await zookeeperRequests(server)]),
    );
    const requests = column(holding, ours, ({ perSecond }) => perSecond[0]!);
    const perLock = requests.map((count) => (count * task.ttlMs) / 3_000 / task.locks);

    return {
      server: `${await zookeeperVersion(server)}, alone, ticks of 500 ms, each write synced to disk (forceSync), a snapshot every 100,000 writes`,
      tables: [
        cycleTable(
          cycles,
          names.map((name) => ({ name, base: raw })),
        ),
        backendTurnTable(turns, 'creates and deletes alone, without looking or watching'),
        {
          title: `${figure(task.locks)} held locks with a TTL of ${task.ttlMs / 1_000} s`,
          head: ['', 'requests/s', 'node CPU s in 10 s'],
          rows: [
            [ours, figure(median(requests)), figure(median(column(holding, ours, ({ cpuSeconds }) => cpuSeconds)))],
          ],
        },
      ],
      targets: [
        ...cycleTargets(cycles, ours, raw, { sequential: 0.95, inFlight: 0.95 }),
        ...backendTurnTargets(turns),
        {
          // A whole batch more or less falls into the window, and there are pings.
          what: `${ours}: requests for each held lock in a third of the TTL`,
          value: spread(perLock),
          limit: 1.2,
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
  },
};

import { startRedis } from '@holdfast/testbed';
import { column, interleave, type Rounds } from '../rounds.ts';
import { redisCounters, redisVersion } from '../servers.ts';
import { ratios, spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { Suite, Target } from '../suite.ts';
import { cycleRounds, cycleTable, cycleTargets, width } from './cycles.ts';
import { handovers, jain, measureTurnsOf, type TurnRound, turnTable, waiters } from './turns.ts';

const limit = 10;
const [rival, permits, shared] = ['redis-semaphore', 'permits', 'shared locks'];
const [rivalOfOne, sharedOfOne] = [`redis-semaphore, one of ${width} permits`, 'shared locks of one key'];

/** Redis: semaphores and shared locks, against the semaphores of `redis-semaphore`, which has no shared locks. */
export const modes: Suite = {
  title: `Redis, semaphores of ${limit} permits and shared locks, against the semaphores of redis-semaphore, all on ioredis`,
  async run(effort, progress) {
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    const { port } = server;
    const { quick } = effort;
    progress('starting');
    await using subjects = await startSubjects({
      [rival]: { kind: 'redis-semaphore permits', port, limit },
      [permits]: { kind: 'redis permits', port, limit },
      [shared]: { kind: 'redis shared', port },
    });
    await using ofOneKey = await startSubjects({
      [rivalOfOne]: { kind: 'redis-semaphore permits', port, limit: width },
      [sharedOfOne]: { kind: 'redis shared', port },
    });
    const plan = {
      rounds: 15,
      sliceMs: 150,
      warmUpOps: 20_000,
      serverCpuSeconds: async () => (await redisCounters(server)).cpuSeconds,
    };
    const cycles = await cycleRounds(subjects, effort, progress, plan);
    // What readers are for: many at once of one key.
    const readers = await cycleRounds(ofOneKey, effort, progress, { ...plan, oneKey: true });
    const turns = await interleave([rival, permits], effort.rounds ?? (quick ? 3 : 7), progress, (name, round) =>
      measureTurnsOf([subjects.get(name)!], {
        key: `permits-${name}-${round}`,
        forMs: quick ? 1_000 : 2_000,
        counters: () => redisCounters(server),
      }),
    );
    return {
      server: await redisVersion(server),
      tables: [
        cycleTable(
          cycles,
          [rival, permits, shared].map((name) => ({ name, base: rival })),
          rival,
        ),
        cycleTable(
          readers,
          [rivalOfOne, sharedOfOne].map((name) => ({ name, base: rivalOfOne })),
          `one semaphore of ${width} permits`,
        ),
        turnTable(
          turns,
          [rival, permits].map((name) => ({ name, base: rival })),
          rival,
          `${waiters} waiters for ${limit} permits of one semaphore, hold 0 ms`,
        ),
      ],
      targets: [
        ...[permits, shared].flatMap((name) => cycleTargets(cycles, name, rival, { inFlight: 3 }, rival)),
        ...cycleTargets(readers, sharedOfOne, rivalOfOne, { inFlight: 3 }, rival),
        ...turnTargets(turns),
      ],
      failures: [],
      rounds: {
        cycles: Object.fromEntries(cycles),
        readers: Object.fromEntries(readers),
        turns: Object.fromEntries(turns),
      },
    };
  },
};

function turnTargets(turns: Rounds<TurnRound>): Target[] {
  return [
    {
      what: `${permits}: hand-overs / ${rival}`,
      value: spread(ratios(column(turns, permits, handovers), column(turns, rival, handovers))),
      limit: 10,
      better: 'more',
      unit: '',
    },
    {
      what: `${permits}: Jain's index`,
      value: spread(column(turns, permits, jain)),
      limit: 0.9,
      better: 'more',
      unit: '',
    },
  ];
}

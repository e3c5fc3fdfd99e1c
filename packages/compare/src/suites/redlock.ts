import { startRedisNodes } from '@holdfast/testbed';
import { column, interleave } from '../rounds.ts';
import { redisVersion } from '../servers.ts';
import { spread } from '../stats.ts';
import { startSubjects } from '../subject-processes.ts';
import type { Suite, Target } from '../suite.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';
import { exclusionFailures, leastShare, measureTurnsOf, type TurnRound, turnTable, waiters } from './turns.ts';

const [base, plain, fenced] = ['package redlock', 'Holdfast, fencing: false', 'Holdfast'];
const groups = [2, 4];
const holdMs = 1;
const ofProcesses = (count: number): string => `${count} processes`;
const nodes = 5;

/** Redlock: free locks on 5 nodes. */
export const redlock: Suite = {
  title:
    `Redlock on ${nodes} Redis nodes: against the package redlock, both on ioredis. The package has no fencing tokens, so its like ` +
    'is Holdfast without them, for which the limits are; with them each node writes a second key',
  async run(effort, progress) {
    await using group = await startRedisNodes(nodes);
    const ports = group.nodes.map(({ port }) => port);
    progress('starting');
    await using subjects = await startSubjects({
      [base]: { kind: 'redlock package', ports },
      [plain]: { kind: 'redlock', ports, fencing: false },
      [fenced]: { kind: 'redlock', ports },
    });
    const others = Array.from({ length: Math.max(...groups) - 1 }, (_, i) => `${fenced} ${i + 2}`);
    await using more = await startSubjects(
      Object.fromEntries(others.map((name) => [name, { kind: 'redlock', ports } as const])),
    );
    // Many at a time share scripts, and leave the client's code for a single one cold.
    for (const [name, subject] of subjects) {
      progress(`warming up ${name}`);
      await subject.ask('cycles', { inFlight: 1, forMs: effort.quick ? 1_000 : 2_000 });
    }
    const rounds = await cycleRounds(subjects, effort, progress, { rounds: 21, sliceMs: 200, warmUpOps: 20_000 });
    const { quick } = effort;
    const them = [subjects.get(fenced)!, ...more.values()];
    const measureShares = (name: string, round: number): Promise<TurnRound> => {
      const count = groups.find((each) => ofProcesses(each) === name)!;
      // Batches of up to 50 ms are drawn by lot, and of a few dozen the smallest share says little.
      const forMs = quick ? 4_000 : 8_000;
      return measureTurnsOf(them.slice(0, count), { key: `${name}-${round}`, forMs, holdMs });
    };
    const shares = await interleave(groups.map(ofProcesses), effort.rounds ?? (quick ? 3 : 7), progress, measureShares);
    return {
      server: await redisVersion(group.nodes[0]!),
      tables: [
        cycleTable(
          rounds,
          [base, plain, fenced].map((name) => ({ name, base })),
          'the package',
        ),
        turnTable(
          shares,
          groups.map((count) => ({ name: ofProcesses(count), base: ofProcesses(count) })),
          undefined,
          `${waiters} waiters for one key, hold ${holdMs} ms`,
        ),
      ],
      targets: [
        ...cycleTargets(rounds, plain, base, { p50: 1, inFlight: 1 }, 'package'),
        ...cycleTargets(rounds, fenced, base, { inFlight: 1 }, 'package'),
        ...groups.map(
          (count): Target => ({
            what: `${ofProcesses(count)}, hold ${holdMs} ms: turns of the process with fewest / an equal share`,
            value: spread(column(shares, ofProcesses(count), leastShare)),
            limit: 0.5,
            better: 'more',
            unit: '',
          }),
        ),
      ],
      failures: exclusionFailures(shares),
      rounds: { cycles: Object.fromEntries(rounds), shares: Object.fromEntries(shares) },
    };
  },
};

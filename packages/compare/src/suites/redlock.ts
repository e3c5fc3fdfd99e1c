import { startRedisNodes } from '@holdfast/testbed';
import { startContestants } from '../contestant-processes.ts';
import { redisVersion } from '../servers.ts';
import type { Suite } from '../suite.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';

const [base, ours] = ['package redlock', 'Holdfast'];
const nodes = 5;

/** Redlock: free locks on 5 nodes. */
export const redlock: Suite = {
  title: `Redlock on ${nodes} Redis nodes: against the package redlock, both on ioredis`,
  async run(effort, progress) {
    await using group = await startRedisNodes(nodes);
    const ports = group.nodes.map(({ port }) => port);
    progress('starting');
    await using contestants = await startContestants({
      [base]: { kind: 'redlock package', ports },
      [ours]: { kind: 'redlock', ports },
    });
    const rounds = await cycleRounds(contestants, effort, progress, { rounds: 21, sliceMs: 200, warmUpOps: 20_000 });
    return {
      server: await redisVersion(group.nodes[0]!),
      tables: [
        cycleTable(
          rounds,
          [base, ours].map((name) => ({ name, base })),
          'the package',
        ),
      ],
      targets: cycleTargets(rounds, ours, base, { p50: 1, inFlight: 1 }, 'package'),
      failures: [],
      rounds: Object.fromEntries(rounds),
    };
  },
};

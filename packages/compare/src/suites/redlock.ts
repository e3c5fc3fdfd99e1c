import { startRedisNodes } from '@holdfast/testbed';
import { redisVersion } from '../servers.ts';
import { startSubjects } from '../subject-processes.ts';
import type { Suite } from '../suite.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';

const [base, plain, fenced] = ['package redlock', 'Holdfast, fencing: false', 'Holdfast'];
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
    // Many at a time share scripts, and leave the client's code for a single one cold.
    for (const [name, subject] of subjects) {
      progress(`warming up ${name}`);
      await subject.ask('cycles', { inFlight: 1, forMs: effort.quick ? 1_000 : 2_000 });
    }
    const rounds = await cycleRounds(subjects, effort, progress, { rounds: 21, sliceMs: 200, warmUpOps: 20_000 });
    return {
      server: await redisVersion(group.nodes[0]!),
      tables: [
        cycleTable(
          rounds,
          [base, plain, fenced].map((name) => ({ name, base })),
          'the package',
        ),
      ],
      targets: [
        ...cycleTargets(rounds, plain, base, { p50: 1, inFlight: 1 }, 'package'),
        ...cycleTargets(rounds, fenced, base, { inFlight: 1 }, 'package'),
      ],
      failures: [],
      rounds: Object.fromEntries(rounds),
    };
  },
};

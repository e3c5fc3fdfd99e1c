import { startRedis } from '@holdfast/testbed';
import { type RivalLine, rivalLines } from '../compare/competitor-lines.ts';
import { rivalPackages } from '../compare/competitors.ts';
import { newerNode } from '../compare/newer-node.ts';
import { subjectPool } from '../compare/subject-pool.ts';
import { thisMachine } from '../machine.ts';
import { redisVersion } from '../servers.ts';
import type { SubjectProcess } from '../subject-processes.ts';
import type { Suite, Target } from '../suite.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';

/** Redis: a free lock, against other libraries on the same client. What they do while a lock is busy is `pnpm compare`'s business. */
export const rivals: Suite = {
  title: 'Redis, locks that are free: Holdfast with fencing tokens against other libraries (without), all on ioredis',
  async run(effort, progress) {
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    progress('starting');
    // Without it there is one rival less.
    const newer = await newerNode().catch(() => undefined);
    const lines = rivalLines(server.port, thisMachine(rivalPackages).clients, newer).filter(
      ({ delays }) => !delays.startsWith('tuned'),
    );
    await using pool = subjectPool();
    const subjects = new Map<string, SubjectProcess>();
    for (const line of lines) subjects.set(nameOf(line), await pool.get(line.spec, 0, line.execPath));
    const rounds = await cycleRounds(subjects, effort, progress, { rounds: 15, sliceMs: 150, warmUpOps: 20_000 });
    const oursOn = (line: RivalLine): string => nameOf(lines.find((one) => one.isHoldfast && one.base === line.base)!);
    const others = lines.filter(({ isHoldfast, isRaw }) => !isHoldfast && !isRaw);
    return {
      server: await redisVersion(server),
      tables: [
        cycleTable(
          rounds,
          lines.map((line) => ({ name: nameOf(line), base: nameOf(lines.find(({ key }) => key === line.base)!) })),
        ),
      ],
      targets: others.flatMap((line): Target[] =>
        cycleTargets(rounds, oursOn(line), nameOf(line), { sequential: 1, inFlight: 1 }, line.name),
      ),
      failures: [],
      rounds: Object.fromEntries(rounds),
    };
  },
};

/** Such as `Holdfast, Node v22.1.0`. */
function nameOf({ name, client }: RivalLine): string {
  return `${name}, ${client.split(', ')[1]}`;
}

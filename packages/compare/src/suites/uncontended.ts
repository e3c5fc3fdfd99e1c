import { startRedis } from '@holdfast/testbed';
import { pin } from '../cpu-affinity.ts';
import { redisCounters, redisVersion } from '../servers.ts';
import { startSubjects } from '../subject-processes.ts';
import type { RedisClientName, SubjectSpec } from '../subjects/subject.ts';
import type { Suite } from '../suite.ts';
import { cycleRounds, cycleTable, cycleTargets } from './cycles.ts';

const clients: readonly RedisClientName[] = ['ioredis 6', 'node-redis 6', 'ioredis 5', 'node-redis 5'];

/** Redis: a free lock, against SET NX PX and EVALSHA of the same client. */
export const uncontended: Suite = {
  title: 'Redis, locks that are free: acquire and release against raw SET NX PX and EVALSHA of the same client',
  async run(effort, progress) {
    const { before } = effort;
    await using server = await startRedis({ args: ['--appendonly', 'no'] });
    const { port } = server;
    const groups = clients.map((client) => ({
      raw: `${client} raw`,
      plain: `${client} without fencing`,
      fenced: `${client} with fencing`,
      earlier: `${client} with fencing, before`,
      client,
    }));
    const specs: Record<string, SubjectSpec> = {};
    for (const { raw, plain, fenced, earlier, client } of groups) {
      specs[raw] = { kind: 'redis raw', client, port };
      specs[plain] = { kind: 'redis', client, port, fencing: false };
      specs[fenced] = { kind: 'redis', client, port, fencing: true };
      if (before !== undefined) specs[earlier] = { kind: 'redis', client, port, fencing: true, before };
    }
    progress('starting');
    await using subjects = await startSubjects(specs);
    const pinned = pin(server.pid, 'server');
    for (const { pid } of subjects.values()) pin(pid, 'client');
    const rounds = await cycleRounds(subjects, effort, progress, {
      rounds: 31,
      sliceMs: 120,
      warmUpOps: 100_000,
      serverCpuSeconds: async () => (await redisCounters(server)).cpuSeconds,
    });
    return {
      server: `${await redisVersion(server)}, ${pinned ? 'on one core, the client on another' : 'not bound to a core'}`,
      tables: [
        cycleTable(
          rounds,
          groups.flatMap(({ raw, plain, fenced, earlier }) => [
            { name: raw, base: raw },
            { name: plain, base: raw },
            { name: fenced, base: raw },
            ...(before === undefined ? [] : [{ name: earlier, base: raw }]),
          ]),
        ),
      ],
      targets: groups.flatMap(({ client, raw, plain, fenced, earlier }) => [
        ...cycleTargets(rounds, plain, raw, { sequential: 0.97, inFlight: 0.92, p50: 1.1 }),
        ...cycleTargets(rounds, fenced, raw, {
          sequential: client === 'ioredis 6' ? 0.95 : 0.97,
          inFlight: 0.92,
          p50: 1.1,
        }),
        ...(before === undefined
          ? []
          : cycleTargets(rounds, fenced, earlier, { sequential: 0.97, inFlight: 0.97, cpu: 1.03 }, 'before')),
      ]),
      failures: [],
      rounds: Object.fromEntries(rounds),
    };
  },
};

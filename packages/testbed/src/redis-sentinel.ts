import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './polling.ts';
import { localhost, withFreePorts } from './ports.ts';
import { type RedisServer, startRedisOn } from './redis.ts';
import { startTogether, stopAll } from './server-process.ts';

/** A master with two replicas, watched by three sentinels. The roles are those of the start: a failover changes them. */
export interface RedisSentinel extends AsyncDisposable {
  readonly master: RedisServer;
  readonly replicas: RedisServer[];
  readonly sentinels: RedisServer[];
  readonly masterName: string;
  /** For how long the master may be silent from now on: a busy machine is silent for seconds, and a new master lacks the last locks. */
  replaceAfter(silentMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** The name by which sentinels of the testbed know their master. */
export const masterName = 'holdfast';

/**
 * Starts a master, two replicas and three sentinels, and waits until each sentinel knows all of them. A master that does
 * not answer for 1 s is replaced (about 2.3 s after its death); `replaceAfter` changes that.
 */
export function startRedisSentinel(): Promise<RedisSentinel> {
  return withFreePorts(6, async (ports) => {
    const started: RedisServer[] = [];
    const stop = (): Promise<void> => stopAll(started);
    try {
      const master = await startRedisOn({ port: ports[0]!, args: ['--repl-diskless-sync-delay', '0'] });
      started.push(master);
      const replicaArgs = ['--replicaof', `${localhost} ${master.port}`, '--repl-diskless-sync-delay', '0'];
      const replicas = await startTogether(
        ports.slice(1, 3).map((port) => (signal) => startRedisOn({ port, args: replicaArgs }, signal)),
      );
      started.push(...replicas);
      // Sentinels ask a master for its replicas only every 10 s: let them find all at their first look.
      await until('the replicas did not connect to the master', async () => {
        const replication = String(await master.command('INFO', 'replication'));
        return replication.split('state=online').length - 1 === replicas.length;
      });
      const sentinels = await startTogether(
        ports.slice(3).map((port) => (signal) => startSentinel(port, master, signal)),
      );
      started.push(...sentinels);
      await until('the sentinels did not find each other', async () => {
        for (const sentinel of sentinels) {
          const fields = (await sentinel.command('SENTINEL', 'MASTER', masterName)) as string[];
          const field = (name: string): number => Number(fields[fields.indexOf(name) + 1]);
          if (field('num-slaves') !== 2 || field('num-other-sentinels') !== 2) return false;
        }
        return true;
      });
      const replaceAfter = async (silentMs: number): Promise<void> => {
        const setting = ['SENTINEL', 'SET', masterName, 'down-after-milliseconds', String(silentMs)] as const;
        await Promise.all(sentinels.map((sentinel) => sentinel.command(...setting)));
      };
      return { master, replicas, sentinels, masterName, replaceAfter, stop, [Symbol.asyncDispose]: stop };
    } catch (error) {
      await stop();
      throw error;
    }
  });
}

/** Starts one sentinel; `lines` go into its configuration too. */
export function startSentinel(
  port: number,
  master: { readonly port: number },
  signal?: AbortSignal,
  lines: readonly string[] = [],
): Promise<RedisServer> {
  return startRedisOn({ port }, signal, (plan) => {
    const file = join(plan.folder, 'data', 'sentinel.conf');
    return {
      ...plan,
      name: 'redis-server --sentinel',
      command: [plan.command[0]!, file, '--sentinel'],
      prepare: () =>
        writeFile(
          file,
          [
            `port ${port}`,
            `bind ${localhost}`,
            `dir ${join(plan.folder, 'data')}`,
            `sentinel monitor ${masterName} ${localhost} ${master.port} 2`,
            `sentinel down-after-milliseconds ${masterName} 1000`,
            `sentinel failover-timeout ${masterName} 3000`,
            `sentinel parallel-syncs ${masterName} 2`,
            ...lines,
            '',
          ].join('\n'),
        ),
    };
  });
}

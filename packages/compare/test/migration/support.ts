import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ioredisAdapter } from '@holdfast/adapter-ioredis';
import { createLocks, type Locks, type LocksOptions } from '@holdfast/lock-core';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { Redis, type RedisOptions } from 'ioredis';
import { expect } from 'vitest';

/** Where a client connects to: a server, or a proxy before it. */
interface Address {
  readonly host: string;
  readonly port: number;
}

/** Two clients of one server: one for the other library, one for Holdfast. `await using` closes all of it. */
export interface Bench extends AsyncDisposable {
  readonly server: RedisServer;
  readonly redis: Redis;
  /** Of Holdfast, over a client of their own. */
  locks(options?: LocksOptions, prefix?: string): Locks;
}

/** Starts a server, or uses the one that listens behind `at`. */
export async function startBench(at?: { server: RedisServer } & Address, options?: RedisOptions): Promise<Bench> {
  const server = at?.server ?? (await startRedis());
  const clients: Redis[] = [];
  const opened: Locks[] = [];
  const connect = (more?: RedisOptions): Redis => {
    const client = new Redis({ host: at?.host ?? server.host, port: at?.port ?? server.port, ...more });
    client.on('error', () => {}); // servers are frozen on purpose
    clients.push(client);
    return client;
  };
  return {
    server,
    redis: connect(options),
    locks(locksOptions, prefix = 'lock:') {
      const locks = createLocks(ioredisAdapter(connect(), { prefix }), locksOptions);
      opened.push(locks);
      return locks;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((locks) => locks.close()));
      for (const client of clients) client.disconnect();
      await server.stop();
    },
  };
}

/** Waits for something that has to come; nothing depends on how soon. */
export const eventually = (check: () => unknown): Promise<unknown> =>
  expect.poll(check, { timeout: 20_000, interval: 20 }).toBe(true);

/** How many commands of a kind the server has executed. */
export async function commandsOf(server: RedisServer, name: string): Promise<number> {
  const stats = String(await server.command('INFO', 'commandstats'));
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

const here = fileURLToPath(new URL('../..', import.meta.url));

/** Runs an ECMAScript module as a program of its own. The exit code, and what it wrote. */
export async function program(code: string, env: NodeJS.ProcessEnv): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: here,
      env: { ...process.env, ...env },
      timeout: 60_000,
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const failed = error as Error & { code: number; stdout: string; stderr: string };
    return { code: failed.code, output: failed.stdout + failed.stderr };
  }
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { withFreePorts } from '../src/ports.ts';
import { startRedisOn } from '../src/redis.ts';
import { eventually, isRunning } from './processes.ts';

describe('a process that ends without stopping its servers leaves none behind, nor folders', () => {
  for (const how of ['SIGKILL', 'SIGTERM', 'exit', 'throw'] as const) {
    it(how, { timeout: 120_000 }, async () => {
      const script = fileURLToPath(new URL('start-and-wait.ts', import.meta.url));
      const child = fork(script, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
      const words = text(child.stderr!);
      const [{ servers, family, folder }] = (await Promise.race([
        once(child, 'message'),
        once(child, 'exit').then(async () => Promise.reject(new Error(await words))),
      ])) as [{ servers: number[]; family: number[]; folder: string }];
      expect(servers.filter((pid) => !isRunning(pid))).toEqual([]);
      // A PostgreSQL server is several processes, of which the one that answered the first question may just have ended.
      expect(family.filter(isRunning)).not.toEqual([]);
      const pids = [...servers, ...family];
      if (how === 'exit' || how === 'throw') child.send(how);
      else child.kill(how);
      await eventually('the servers are gone', () => !pids.some(isRunning));
      await eventually('the folders are gone', () => !existsSync(folder) && !existsSync(`${dirname(folder)}.dead`));
    });
  }
});

it('a port that another process takes first: tried again with another one', async () => {
  const tried: number[] = [];
  const rival = createServer();
  await using server = await withFreePorts(1, async ([port]) => {
    tried.push(port!);
    if (tried.length === 1) await once(rival.listen(port, '127.0.0.1'), 'listening');
    return startRedisOn({ port: port! });
  });
  rival.close();
  expect(tried.length).toBe(2);
  expect(await server.command('PING')).toBe('PONG');
});

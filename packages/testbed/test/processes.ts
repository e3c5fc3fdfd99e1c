import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'vitest';
import type { RedisServer } from '../src/index.ts';

/** Whether a process runs; one that has ended and only waits to be collected does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, 'utf8'));
}

/** The temporary folder of a Redis server. */
export async function folderOf(server: RedisServer): Promise<string> {
  const [, data] = (await server.command('CONFIG', 'GET', 'dir')) as [string, string];
  return dirname(data);
}

/** Polls until the answer is yes; fails after a generous 20 s. */
export async function eventually(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(ask, { message: what, timeout: 20_000, interval: 30 }).toBe(true);
}

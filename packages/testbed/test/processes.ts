import { dirname } from 'node:path';
import { expect } from 'vitest';
import type { RedisServer } from '../src/index.ts';

export { isRunning } from '../src/children.ts';

/** The temporary folder of a Redis server. */
export async function folderOf(server: RedisServer): Promise<string> {
  const [, data] = (await server.command('CONFIG', 'GET', 'dir')) as [string, string];
  return dirname(data);
}

/** Polls until the answer is yes; fails after a generous 20 s. */
export async function eventually(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(ask, { message: what, timeout: 20_000, interval: 30 }).toBe(true);
}

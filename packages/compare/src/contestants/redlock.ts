import { createRequire } from 'node:module';
import type { Redis } from 'ioredis';
import type { Contestant } from './contestant.ts';
import { connectIoredis } from './redis-clients.ts';

const ttlMs = 30_000;

/** What is used of the package, whose exports name no types. */
interface RedlockPackage {
  default: new (
    clients: readonly Redis[],
  ) => { acquire(keys: string[], ttlMs: number): Promise<{ release(): Promise<unknown> }> };
}

/** The package `redlock` with its defaults. */
export async function redlockPackageContestant(ports: readonly number[]): Promise<Contestant> {
  const clients = ports.map((port) => connectIoredis('ioredis 6', port));
  await Promise.all(clients.map((client) => client.ping()));
  const { default: Redlock } = createRequire(import.meta.url)('redlock') as RedlockPackage;
  const redlock = new Redlock(clients);
  return {
    async cycle(key) {
      const lock = await redlock.acquire([`package:${key}`], ttlMs);
      await lock.release();
    },
    async close() {
      for (const client of clients) client.disconnect();
    },
  };
}

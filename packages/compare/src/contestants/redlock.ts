import { createRequire } from 'node:module';
import { redlockAdapter } from '@holdfast/adapter-redlock';
import type { Redis } from 'ioredis';
import type { Contestant } from './contestant.ts';
import { locksContestant } from './locks.ts';
import { connectIoredis } from './redis-clients.ts';

const ttlMs = 30_000;

/** What is used of the package, whose exports name no types. */
interface RedlockPackage {
  default: new (
    clients: readonly Redis[],
  ) => { acquire(keys: string[], ttlMs: number): Promise<{ release(): Promise<unknown> }> };
}

async function connectAll(ports: readonly number[]): Promise<Redis[]> {
  const clients = ports.map((port) => connectIoredis('ioredis 6', port));
  await Promise.all(clients.map((client) => client.ping()));
  return clients;
}

function disconnectAll(clients: readonly Redis[]): void {
  for (const client of clients) client.disconnect();
}

// Both have a connection to each node through the same client library, the same TTL, ask all nodes at once, and wait for a
// majority of answers, to acquire as well as to release. Only Holdfast keeps a fencing token and tells waiters.

/** Holdfast's Redlock on clients of the caller's. */
export async function redlockContestant(ports: readonly number[]): Promise<Contestant> {
  const clients = await connectAll(ports);
  return locksContestant(redlockAdapter(clients), () => disconnectAll(clients));
}

/** The package `redlock` with its defaults. */
export async function redlockPackageContestant(ports: readonly number[]): Promise<Contestant> {
  const clients = await connectAll(ports);
  const { default: Redlock } = createRequire(import.meta.url)('redlock') as RedlockPackage;
  const redlock = new Redlock(clients);
  return {
    async cycle(key) {
      const lock = await redlock.acquire([`package:${key}`], ttlMs);
      await lock.release();
    },
    async close() {
      disconnectAll(clients);
    },
  };
}

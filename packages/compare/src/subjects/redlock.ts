import { createRequire } from 'node:module';
import { redlockAdapter } from '@holdfast/adapter-redlock';
import type { Redis } from 'ioredis';
import { locksSubject } from './locks.ts';
import { connectIoredis } from './redis-clients.ts';
import type { Subject } from './subject.ts';

const ttlMs = 30_000;
const releaseLua = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

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
// majority of answers, to acquire as well as to release. Only Holdfast tells waiters, and keeps fencing tokens unless told not to.

/** Holdfast's Redlock on clients of the caller's. */
export async function redlockSubject(ports: readonly number[], fencing: boolean = true): Promise<Subject> {
  const clients = await connectAll(ports);
  return locksSubject(redlockAdapter(clients, { fencing }), { closeClient: () => disconnectAll(clients) });
}

/**
 * By hand, the smallest that Redlock can be: SET NX PX on all nodes at once until a majority has answered well, then a script that
 * deletes on all, until a majority has. Without drift, tokens, or care for nodes that are down.
 */
export async function rawRedlockSubject(ports: readonly number[]): Promise<Subject> {
  const clients = await connectAll(ports);
  const shas = await Promise.all(clients.map((client) => client.script('LOAD', releaseLua)));
  const majority = Math.floor(clients.length / 2) + 1;
  let count = 0;
  return {
    async cycle(name) {
      count += 1;
      const [key, value] = [`raw:${name}`, `${process.pid}-${count}`];
      await firstWell(
        majority,
        clients.map(async (client) => (await client.set(key, value, 'PX', ttlMs, 'NX')) === 'OK'),
      );
      await firstWell(
        majority,
        clients.map(async (client, i) => (await client.evalsha(String(shas[i]), 1, key, value)) === 1),
      );
    },
    async close() {
      disconnectAll(clients);
    },
  };
}

/** Resolves as soon as so many answers are good. */
function firstWell(needed: number, answers: readonly Promise<boolean>[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let [good, done] = [0, 0];
    for (const answer of answers) {
      answer.then((isGood) => {
        done += 1;
        if (isGood) good += 1;
        if (good === needed) resolve();
        else if (done === answers.length) reject(new Error(`Only ${good} of ${answers.length} nodes agreed.`));
      }, reject);
    }
  });
}

/** The package `redlock` with its defaults. */
export async function redlockPackageSubject(ports: readonly number[]): Promise<Subject> {
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

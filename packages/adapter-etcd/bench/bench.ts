import { setTimeout as sleep } from 'node:timers/promises';
import { createLocks, type Locks } from '@holdfast/lock-core';
import { startEtcd } from '@holdfast/testbed';
import { Etcd3 } from 'etcd3';
import { etcdAdapter } from '../src/index.ts';

// What a lock costs, against the two transactions that one would write by hand with a lease of one's own, in the same run.

const server = await startEtcd();
const host = `127.0.0.1:${server.port}`;
const client = new Etcd3({ hosts: host });
const lease = (await client.leaseClient.leaseGrant({ TTL: 600 })).ID;
const locks = createLocks(etcdAdapter({ hosts: host }));

async function rawTake(key: Buffer): Promise<boolean> {
  const { succeeded } = await client.kv.txn({
    compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 }],
    success: [{ request_put: { key, value: Buffer.from('me'), lease } }],
  });
  return succeeded;
}

async function rawGive(key: Buffer): Promise<void> {
  await client.kv.txn({
    compare: [{ key, target: 'Value', result: 'Equal', value: Buffer.from('me') }],
    success: [{ request_delete_range: { key } }],
  });
}

let names = 0;
const raw = async (): Promise<void> => {
  const key = Buffer.from(`raw/${names++}`);
  await rawTake(key);
  await rawGive(key);
};
const ours = async (): Promise<void> => {
  const lock = await locks.acquire(`ours/${names++}`);
  await lock.release();
};

/** Pairs of acquire and release a second. */
async function rate(pair: () => Promise<void>, inFlight: number, ms: number): Promise<number> {
  const until = performance.now() + ms;
  let done = 0;
  const begin = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < until) {
        await pair();
        done += 1;
      }
    }),
  );
  return (done * 1_000) / (performance.now() - begin);
}

/** Hand-overs a second between 32 waiters of one process. */
async function handOvers(hold: (waiter: number, until: number) => Promise<number>, ms: number): Promise<number> {
  const until = performance.now() + ms;
  const counts = await Promise.all(Array.from({ length: 32 }, (_, waiter) => hold(waiter, until)));
  return (counts.reduce((sum, count) => sum + count, 0) * 1_000) / ms;
}

let last = -1;
const polled = Buffer.from('raw/contended');
async function pollEvery10Ms(waiter: number, until: number): Promise<number> {
  let count = 0;
  while (performance.now() < until) {
    if (!(await rawTake(polled))) {
      await sleep(10);
      continue;
    }
    if (last !== waiter) count += 1;
    last = waiter;
    await rawGive(polled);
  }
  return count;
}

function queued(queue: Locks) {
  return async (waiter: number, until: number): Promise<number> => {
    let count = 0;
    while (performance.now() < until) {
      await queue.using('contended', () => {
        if (last !== waiter) count += 1;
        last = waiter;
      });
    }
    return count;
  };
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const rounds = Number(process.argv[2] ?? 5);
const results: Record<string, { raw: number; ours: number; ratio: number }> = {};
for (const [what, inFlight] of [
  ['one at a time', 1],
  ['64 in flight', 64],
] as const) {
  await rate(raw, inFlight, 500);
  await rate(ours, inFlight, 500);
  const pairs: { raw: number; ours: number }[] = [];
  for (let i = 0; i < rounds; i++) {
    pairs.push({ raw: await rate(raw, inFlight, 1_000), ours: await rate(ours, inFlight, 1_000) });
  }
  results[what] = {
    raw: Math.round(median(pairs.map((pair) => pair.raw))),
    ours: Math.round(median(pairs.map((pair) => pair.ours))),
    ratio: Number(median(pairs.map((pair) => pair.ours / pair.raw)).toFixed(2)),
  };
}
const polling = await handOvers(pollEvery10Ms, 4_000);
const pushing = await handOvers(queued(locks), 4_000);
results['hand-overs, 32 waiters (raw: polling every 10 ms)'] = {
  raw: Math.round(polling),
  ours: Math.round(pushing),
  ratio: Number((pushing / polling).toFixed(2)),
};
process.stdout.write(
  `${Object.entries(results)
    .map(([what, { raw, ours, ratio }]) => `${what}: raw ${raw}/s, ours ${ours}/s, ratio ${ratio}`)
    .join('\n')}\n`,
);
await locks.close();
client.close();
await server.stop();

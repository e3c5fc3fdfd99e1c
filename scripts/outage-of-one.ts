// One outage of one backend of ours, for `pnpm outage`: the arguments are its name, `killed` or `frozen`, minutes, attempts a second.
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLockError, type Locks, openLocks } from '../packages/holdfast/src/index.ts';
import { ownBackends } from './own-backends.ts';

/** What an outage cost. */
export interface Outage {
  readonly attempts: number;
  /** Bytes in use after a collection: at the beginning of the outage, and then once a minute, or ten times where it is shorter. */
  readonly heaps: readonly number[];
  /** From the first answer of the servers to the first lock of all; below 0, it came before they were seen to answer. */
  readonly firstLockMs: number;
  /** To the lock of a caller that had waited for it all the while. */
  readonly waiterMs: number;
  /** Until every key that was asked for in the outage could be had. */
  readonly allFreeMs: number;
}

const [name, how, minutes, rate] = process.argv.slice(2);
const backend = ownBackends.find((one) => one.name === name);
if (backend === undefined) throw new Error(`There is no backend ${name}.`);
const lastsMs = Number(minutes) * 60_000;
const lookMs = Math.min(60_000, lastsMs / 10);
const keys = 1_000;
let attempts = 0;
let firstLockAt: number | undefined;

const { target, servers, stop } = await backend.start();
const locks = await openLocks(target);
try {
  await (await locks.acquire('warm')).release();
  await takeAway();
  const heaps = await attack(locks);
  await itsTurn();
  const outage: Outage = { attempts, heaps, ...(await recover(locks)) };
  process.send?.(outage);
} finally {
  await locks.close();
  await stop();
}
process.disconnect?.();

/** Goes on asking until it is told to bring the servers back: one after another, since the times would tell of the machine else. */
async function itsTurn(): Promise<void> {
  let isTold = process.send === undefined;
  process.once('message', () => {
    isTold = true;
  });
  process.send?.('over');
  await ask(locks, () => isTold);
}

async function takeAway(): Promise<void> {
  if (how === 'killed') await Promise.all(servers.map((server) => server.kill()));
  else for (const server of servers) server.freeze();
}

/** Every kind of call that asks for a lock, on many keys and on one. */
function attempt(locks: Locks): Promise<unknown> {
  const key = `outage:${attempts % keys}`;
  attempts += 1;
  switch (attempts % 4) {
    case 0:
      return locks.tryAcquire(key).then((lock) => lock?.release());
    case 1:
      return locks.using(key, { waitMs: 500 }, () => {});
    case 2:
      return locks.using('outage:all', { mode: 'shared', waitMs: 2_000 }, () => {});
    default:
      return locks.semaphore('outage:permits', 3).using({ waitMs: 1_000 }, () => {});
  }
}

/** Asks for locks at the rate; `isOver` is asked after each turn. */
async function ask(locks: Locks, isOver: (forMs: number) => boolean): Promise<void> {
  const startedAt = performance.now();
  const before = attempts;
  for (;;) {
    const forMs = performance.now() - startedAt;
    for (const due = before + (forMs / 1_000) * Number(rate); attempts < due; ) {
      attempt(locks).catch((error: unknown) => {
        if (!isLockError(error)) throw error;
      });
    }
    if (isOver(forMs)) return;
    await sleep(5);
  }
}

async function attack(locks: Locks): Promise<number[]> {
  const heaps: number[] = [];
  await ask(locks, (forMs) => {
    if (forMs < heaps.length * lookMs) return false;
    globalThis.gc?.();
    heaps.push(process.memoryUsage().heapUsed);
    return forMs >= lastsMs;
  });
  return heaps;
}

/** Brings the servers back. */
async function recover(locks: Locks): Promise<Omit<Outage, 'attempts' | 'heaps'>> {
  subscribe('holdfast:grant', () => {
    firstLockAt ??= performance.now();
  });
  const waiter = (async () => {
    for (;;) {
      const lock = await locks.acquire('waiter').catch((error: unknown) => {
        // Something else has failed, and says so.
        if (isLockError(error, 'LOCK_CLOSED')) throw error;
      });
      if (lock) return performance.now();
    }
  })();
  waiter.catch(() => {});
  const asking = ask(locks, () => firstLockAt !== undefined);
  if (how === 'killed') await Promise.all(servers.map((server) => server.restart()));
  else for (const server of servers) server.thaw();
  const answeredAt = performance.now();
  await asking;
  const waiterMs = (await waiter) - answeredAt;
  for (let key = 0; key < keys; key += 1) {
    const lock = await locks.acquire(`outage:${key}`).catch(() => undefined);
    if (lock === undefined) key -= 1;
    await lock?.release();
  }
  return { firstLockMs: firstLockAt! - answeredAt, waiterMs, allFreeMs: performance.now() - answeredAt };
}

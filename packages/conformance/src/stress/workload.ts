import { setTimeout as sleep } from 'node:timers/promises';
import { type AcquireOptions, isLockError, type Lock, type Locks } from '@holdfast/lock-core';
import type { Random } from './random.ts';

/** What one task of the workload works with. */
export interface Task {
  /** Recorded. */
  readonly locks: Locks;
  readonly random: Random;
  readonly keys: readonly string[];
  /** Keys of semaphores of `permitLimit` permits. */
  readonly pools: readonly string[];
  readonly ttlMs: number;
  /** Aborts when the run is over. */
  readonly stop: AbortSignal;
  /** One write to the resource that the lock guards. */
  write(key: string, fence: bigint): Promise<void>;
  /** Called for each lock that was got. */
  onHold(): void;
}

/** How many permits each semaphore of a stress run has. */
export const permitLimit = 3;

type Act = (task: Task, key: string) => Promise<void>;

/** Uses locks in every way that the backend has, at random, until `stop`. @throws what no use of a lock may throw */
export async function work(task: Task): Promise<void> {
  const { random, keys, pools, stop } = task;
  const { shared, permits } = task.locks.adapter.capabilities;
  const possible = [...acts, ...(shared ? sharedActs : []), ...(permits ? permitActs : [])];
  while (!stop.aborted) {
    try {
      const act = random.pick(possible);
      await act(task, random.pick(permitActs.includes(act) ? pools : keys));
    } catch (error) {
      if (!isExpected(error, stop)) throw error;
    }
    await sleep(random.between(0, 60));
  }
}

/** Busy, lost and unreachable are what the faults bring about; so is the reason of an abort of ours. */
function isExpected(error: unknown, stop: AbortSignal): boolean {
  if (isLockError(error, 'LOCK_TIMEOUT') || isLockError(error, 'LOCK_LOST') || isLockError(error, 'LOCK_BACKEND'))
    return true;
  return error === impatience || (stop.aborted && error === stop.reason);
}

const impatience = new Error('The task has waited long enough');

/** For how long to hold and to wait, within bounds that not every caller has. */
function terms({ locks, random, ttlMs, stop }: Task): AcquireOptions {
  const maxHoldMs = random.next() < 0.15 ? random.pick([20, ttlMs / 2, 2 * ttlMs]) : Number.POSITIVE_INFINITY;
  const hasGrace = locks.adapter.capabilities.expiry === 'ttl' && random.next() < 0.15;
  const graceMs = hasGrace ? Math.ceil(ttlMs / 2) : 0;
  return { ttlMs, maxHoldMs, graceMs, waitMs: random.between(0.2, 3) * ttlMs, signal: stop };
}

const patient: Act = async (task, key) => {
  const lock = await task.locks.acquire(key, terms(task));
  await hold(task, lock);
  await lock.release();
};

const once: Act = async (task, key) => {
  const lock = await task.locks.tryAcquire(key, { ttlMs: task.ttlMs });
  if (lock === undefined) return;
  await hold(task, lock);
  await lock.release();
};

/** Gives up while it waits, or just as it is granted. */
const impatient: Act = async (task, key) => {
  const { locks, random, ttlMs, stop } = task;
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(impatience), random.between(0, random.pick([10, ttlMs / 2])));
  try {
    const lock = await locks.acquire(key, { ttlMs, signal: AbortSignal.any([ending.signal, stop]) });
    await hold(task, lock);
    await lock.release();
  } finally {
    clearTimeout(timer);
  }
};

const nested: Act = async (task, key) => {
  const { locks } = task;
  const options = terms(task);
  await locks.using(key, options, async (lock) => {
    await hold(task, lock);
    await locks.using(key, options, (inner) => hold(task, inner));
  });
};

/** Holds without a watchdog, and renews by hand. */
const byHand: Act = async (task, key) => {
  const { locks, random, ttlMs, stop } = task;
  const lock = await locks.acquire(key, { ttlMs, waitMs: 2 * ttlMs, autoRenew: false, signal: stop });
  await hold(task, lock);
  await lock.renew(random.pick([ttlMs, 2 * ttlMs]));
  await hold(task, lock);
  await lock.release();
};

/** Forgets to release: the lease ends by itself. */
const forgetful: Act = async (task, key) => {
  const { locks, ttlMs, stop } = task;
  const lock = await locks.acquire(key, { ttlMs, waitMs: ttlMs, autoRenew: false, signal: stop });
  await hold(task, lock);
  // One look: after a stall a second one may find it aborted, and a listener would come too late.
  const { signal } = lock;
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
};

/** All of some keys, or none. */
const several: Act = async (task, key) => {
  const { locks, random, ttlMs, keys } = task;
  const options = terms(task);
  const wanted = [key, random.pick(keys)];
  const group =
    random.next() < 0.3 ? await locks.tryAcquireAll(wanted, { ttlMs }) : await locks.acquireAll(wanted, options);
  if (group === undefined) return;
  await Promise.all(group.locks.map((lock) => hold(task, lock)));
  await group.release();
};

/** Stands for election, and leads until its work is done, it has lost, or it is told to stop. */
const leading: Act = async (task, key) => {
  const { random, ttlMs, stop } = task;
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(impatience), random.between(0, 2 * ttlMs));
  const options = { ...terms(task), waitMs: undefined, signal: AbortSignal.any([ending.signal, stop]) };
  let running = 0;
  const body = async (term: Lock): Promise<void> => {
    running += 1;
    if (running > 1) throw new Error('a second term of one leader began before the first had ended');
    await hold(task, term).finally(() => {
      running -= 1;
    });
  };
  try {
    await task.locks.lead(key, body, options);
  } finally {
    clearTimeout(timer);
  }
};

const reading: Act = async (task, key) => {
  const autoRenew = task.random.next() < 0.8;
  const lock = await task.locks.acquire(key, { ...terms(task), mode: 'shared', autoRenew });
  await stay(task);
  await lock.release();
};

const readingOnce: Act = async (task, key) => {
  const lock = await task.locks.tryAcquire(key, { mode: 'shared', ttlMs: task.ttlMs });
  if (lock === undefined) return;
  await stay(task);
  await lock.release();
};

/** Writes, and then goes on as a reader. */
const downgrading: Act = async (task, key) => {
  const lock = await task.locks.acquire(key, terms(task));
  await hold(task, lock);
  await lock.downgrade();
  await stay(task);
  await lock.release();
};

const permitted: Act = async (task, key) => {
  const permits = task.random.pick([1, 1, 1, 2, permitLimit]);
  const lock = await task.locks.semaphore(key, permitLimit).acquire({ ...terms(task), permits });
  await stay(task);
  await lock.release();
};

const permittedOnce: Act = async (task, key) => {
  const lock = await task.locks.semaphore(key, permitLimit).tryAcquire({ ttlMs: task.ttlMs });
  if (lock === undefined) return;
  await stay(task);
  await lock.release();
};

const times = (count: number, act: Act): Act[] => Array<Act>(count).fill(act);
// How often an act is here is how often it is chosen.
const acts: readonly Act[] = [
  ...times(10, patient),
  ...times(4, once),
  ...times(4, impatient),
  ...times(3, nested),
  ...times(2, byHand),
  ...times(3, several),
  ...times(2, leading),
  forgetful,
];
const sharedActs: readonly Act[] = [...times(6, reading), ...times(2, readingOnce), ...times(2, downgrading)];
const permitActs: readonly Act[] = [...times(6, permitted), ...times(2, permittedOnce)];

/** Writes under the lock as a careless application does, without a look at its state: the tokens have to stop what comes late. */
async function hold(task: Task, lock: Lock): Promise<void> {
  if (lock.fencingToken !== undefined) await task.write(lock.key, lock.fencingToken);
  await stay(task);
  if (lock.fencingToken !== undefined) await task.write(lock.key, lock.fencingToken);
}

/** Keeps what was acquired; sometimes for longer than its lease. Readers do not write, and who has a permit is not alone. */
async function stay({ random, ttlMs, onHold }: Task): Promise<void> {
  onHold();
  const longest = random.next() < 0.04 ? 1.5 * ttlMs : random.pick([0, 5, 20, 100]);
  await sleep(random.between(0, longest));
}

import { setTimeout as sleep } from 'node:timers/promises';
import { isLockError, type Lock, type Locks } from '@holdfast/lock-core';
import type { Random } from './random.ts';

/** What one task of the workload works with. */
export interface Task {
  /** Recorded. */
  readonly locks: Locks;
  readonly random: Random;
  readonly keys: readonly string[];
  readonly ttlMs: number;
  /** Aborts when the run is over. */
  readonly stop: AbortSignal;
  /** One write to the resource that the lock guards. */
  write(key: string, fence: bigint): Promise<void>;
  /** Called for each lock that was got. */
  onHold(): void;
}

type Act = (task: Task, key: string) => Promise<void>;

/** Uses locks in every way that there is, at random, until `stop`. @throws what no use of a lock may throw */
export async function work(task: Task): Promise<void> {
  const { random, keys, stop } = task;
  while (!stop.aborted) {
    try {
      await random.pick(acts)(task, random.pick(keys));
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

const patient: Act = async (task, key) => {
  const { locks, random, ttlMs, stop } = task;
  const lock = await locks.acquire(key, { ttlMs, waitMs: random.between(0.2, 3) * ttlMs, signal: stop });
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
  const { locks, random, ttlMs, stop } = task;
  const options = { ttlMs, waitMs: random.between(0.2, 3) * ttlMs, signal: stop };
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

// How often an act stands here is how often it is chosen.
const acts: readonly Act[] = [
  ...Array<Act>(10).fill(patient),
  ...Array<Act>(4).fill(once),
  ...Array<Act>(4).fill(impatient),
  ...Array<Act>(3).fill(nested),
  ...Array<Act>(2).fill(byHand),
  forgetful,
];

/** Writes under the lock as a careless application does, without a look at its state: the tokens have to stop what comes late. */
async function hold(task: Task, lock: Lock): Promise<void> {
  const { random, ttlMs } = task;
  task.onHold();
  if (lock.fencingToken !== undefined) await task.write(lock.key, lock.fencingToken);
  const longest = random.next() < 0.04 ? 1.5 * ttlMs : random.pick([0, 5, 20, 100]);
  await sleep(random.between(0, longest));
  if (lock.fencingToken !== undefined) await task.write(lock.key, lock.fencingToken);
}

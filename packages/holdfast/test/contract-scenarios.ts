import { isLockError, type Lock, type Locks } from '@holdfast/lock-core';

/** What a scenario works with: two clients of one backend, and a key of its own. */
export interface Stage {
  readonly key: string;
  readonly locks: Locks;
  readonly other: Locks;
}

/**
 * One line of the contract table. `before` runs while the backend is up, `run` gives the outcome: after the backend was
 * frozen, if `frozen` says so.
 */
export interface Scenario {
  readonly title: string;
  readonly frozen?: true;
  before?(stage: Stage): Promise<Lock | undefined>;
  run(stage: Stage, lock: Lock | undefined): Promise<string>;
}

/** The outcome of a call in one word: the error's code, or what `tell` makes of the result. */
async function outcome<T>(call: Promise<T>, tell: (result: T) => string = String): Promise<string> {
  try {
    return tell(await call);
  } catch (error) {
    return isLockError(error) ? error.code : `rejects with ${String(error)}`;
  }
}

const locked = (lock: Lock | undefined): string => (lock === undefined ? 'undefined' : 'a lock');

/** Looks again and again, for at most 30 s. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1_500 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
}

const hold = ({ key, locks }: Stage): Promise<Lock> => locks.acquire(key);

export const scenarios: readonly Scenario[] = [
  { title: '`tryAcquire` of a free key', run: ({ key, locks }) => outcome(locks.tryAcquire(key), locked) },
  {
    title: '`tryAcquire` of a busy key',
    before: hold,
    run: ({ key, other }) => outcome(other.tryAcquire(key), locked),
  },
  {
    title: '`acquire` of a key busy for `waitMs`',
    before: hold,
    run: ({ key, other }) => outcome(other.acquire(key, { waitMs: 300 }), locked),
  },
  {
    title: '`acquire` with `waitMs: 0` of a busy key',
    before: hold,
    run: ({ key, other }) => outcome(other.acquire(key, { waitMs: 0 }), locked),
  },
  {
    title: '`acquire` aborted while it waits',
    before: hold,
    async run({ key, other }) {
      const signal = AbortSignal.timeout(300);
      const rejected = await other.acquire(key, { signal }).catch((error: unknown) => error);
      return rejected === signal.reason ? 'rejects with the signal’s reason' : String(rejected);
    },
  },
  {
    title: 'the holder releases while another waits',
    before: hold,
    async run({ key, other }, lock) {
      const waiting = outcome(other.acquire(key), locked);
      await lock?.release();
      return waiting;
    },
  },
  { title: '`release`', before: hold, run: (_, lock) => outcome(lock!.release()) },
  {
    title: '`release` a second time',
    before: hold,
    run: (_, lock) => outcome(lock!.release().then(() => lock!.release())),
  },
  {
    title: 'the token of the next hold',
    before: hold,
    async run({ key, other }, lock) {
      await lock!.release();
      const next = await other.acquire(key);
      return next.fencingToken! > lock!.fencingToken! ? 'higher' : 'not higher';
    },
  },
  {
    title: 'a nested `using` of the same key',
    run: ({ key, locks }) =>
      outcome(
        locks.using(key, (outer) =>
          locks.using(key, (inner) => (inner.fencingToken === outer.fencingToken ? 'the same token' : 'another token')),
        ),
      ),
  },
  {
    title: 'the same with `reentrant: false`',
    run: ({ key, locks }) =>
      outcome(
        locks.using(key, () => locks.acquire(key, { reentrant: false })),
        locked,
      ),
  },
  {
    title: '`forceRelease` of a held key',
    before: hold,
    run: ({ key, other }) => outcome(other.forceRelease(key)),
  },
  { title: '`forceRelease` of a free key', run: ({ key, locks }) => outcome(locks.forceRelease(key)) },
  {
    title: '`release` after a forced release',
    before: hold,
    async run({ key, other }, lock) {
      await other.forceRelease(key);
      return outcome(lock!.release());
    },
  },
  {
    title: 'the holder’s signal after a forced release',
    before: hold,
    async run({ key, other }, lock) {
      const { signal } = lock!;
      await other.forceRelease(key);
      await until(() => signal.aborted);
      return outcome(Promise.reject(signal.reason ?? new Error('not aborted')));
    },
  },
  {
    title: 'the state of a lock that was not renewed in time',
    before: ({ key, locks }) => locks.acquire(key, { autoRenew: false, ttlMs: 2_000 }),
    async run(_, lock) {
      await until(() => lock!.state !== 'held');
      return `${lock!.state}, ${await outcome(lock!.release())}`;
    },
  },
  {
    title: '`renew` of a lost lock',
    before: ({ key, locks }) => locks.acquire(key, { autoRenew: false, ttlMs: 2_000 }),
    async run(_, lock) {
      await until(() => lock!.state !== 'held');
      return outcome(lock!.renew());
    },
  },
  { title: '`acquire` with `ttlMs: 0`', run: ({ key, locks }) => outcome(locks.acquire(key, { ttlMs: 0 }), locked) },
  { title: '`inspect` of a free key', run: ({ key, locks }) => outcome(locks.inspect(key)) },
  {
    title: '`tryAcquire`, backend down',
    frozen: true,
    run: ({ key, locks }) => outcome(locks.tryAcquire(key), locked),
  },
  { title: '`acquire`, backend down', frozen: true, run: ({ key, locks }) => outcome(locks.acquire(key), locked) },
  {
    title: '`acquire` with `waitMs: 300`, backend down',
    frozen: true,
    run: ({ key, locks }) => outcome(locks.acquire(key, { waitMs: 300 }), locked),
  },
  { title: '`inspect`, backend down', frozen: true, run: ({ key, locks }) => outcome(locks.inspect(key)) },
  { title: '`forceRelease`, backend down', frozen: true, run: ({ key, locks }) => outcome(locks.forceRelease(key)) },
  {
    title: '`renew`, backend down, lease still good',
    frozen: true,
    before: ({ key, locks }) => locks.acquire(key, { ttlMs: 60_000 }),
    run: (_, lock) => outcome(lock!.renew(60_000)),
  },
  {
    title: '`release`, backend down, lease still good',
    frozen: true,
    before: ({ key, locks }) => locks.acquire(key, { ttlMs: 60_000 }),
    run: (_, lock) => outcome(lock!.release()),
  },
  {
    title: 'the holder’s signal, backend down past the lease',
    frozen: true,
    before: ({ key, locks }) => locks.acquire(key, { ttlMs: 2_000 }),
    async run(_, lock) {
      const { signal } = lock!;
      await until(() => signal.aborted);
      return `${await outcome(Promise.reject(signal.reason ?? new Error('not aborted')))}, ${await outcome(lock!.release())}`;
    },
  },
];

import { isLockError, type LockAdapter } from '@holdfast/lock-core';

type Bug = (right: LockAdapter) => Partial<LockAdapter>;

/** Takes an unknown outcome for a definite one. */
const guess =
  <A extends unknown[], T>(call: (...args: A) => Promise<T>, wrong: T) =>
  (...args: A): Promise<T> =>
    call(...args).catch(() => wrong);

/** What clients do wrong when the network or the process fails, by name: another process must make the same client. */
export const clientBugs: Readonly<Record<string, Bug>> = {
  'every failure is "busy"': ({ tryAcquire }) => ({ tryAcquire: guess(tryAcquire, { status: 'busy' }) }),
  'a release without an answer is "not-held"': ({ release }) => ({ release: guess(release, 'not-held') }),
  'a renewal without an answer is "renewed"': ({ renew }) => ({
    renew: (hold, ttlMs) =>
      Promise.race([
        renew(hold, ttlMs).catch(() => ({ status: 'renewed', validForMs: ttlMs }) as const),
        new Promise<{ status: 'renewed'; validForMs: number }>((resolve) => {
          setTimeout(() => resolve({ status: 'renewed', validForMs: ttlMs }), 50).unref();
        }),
      ]),
  }),
  'a renewal without an answer is "lost"': ({ renew }) => ({ renew: guess(renew, { status: 'lost' }) }),
  'an inspect without an answer is "free"': ({ inspect, forceRelease }) => ({
    inspect: guess(inspect!, undefined),
    forceRelease: (key) =>
      Promise.race([
        forceRelease!(key),
        new Promise<boolean>((resolve) => void setTimeout(() => resolve(false), 50).unref()),
      ]),
  }),
  'the lease counts from the reply': (right) => ({
    async tryAcquire(attempt) {
      const sentAt = performance.now();
      const outcome = await right.tryAcquire(attempt);
      if (outcome.status === 'busy') return outcome;
      return { ...outcome, validForMs: outcome.validForMs + performance.now() - sentAt };
    },
  }),
  'it believes in ten leases': ({ tryAcquire }) => ({
    async tryAcquire(attempt) {
      const outcome = await tryAcquire(attempt);
      return outcome.status === 'busy' ? outcome : { ...outcome, validForMs: 10 * outcome.validForMs };
    },
  }),
  'it never connects again': (right) => {
    let broken: Error | undefined;
    const once =
      <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
      async (...args: A): Promise<T> => {
        if (broken) throw broken;
        return call(...args).catch((error: Error) => {
          if (!isLockError(error)) broken = error;
          throw error;
        });
      };
    return { tryAcquire: once(right.tryAcquire), renew: once(right.renew), release: once(right.release) };
  },
};

/** The client with the bug of this name; correct without a name. */
export const withBug = (right: LockAdapter, name: string | undefined): LockAdapter => ({
  ...right,
  ...(name === undefined ? {} : clientBugs[name]!(right)),
});

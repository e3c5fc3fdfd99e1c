import type { LockAdapter } from '@holdfast/lock-core';

type Bug = (right: LockAdapter) => Partial<LockAdapter>;

/** Takes silence and failures for a definite outcome. */
const guess =
  <A extends unknown[], T>(call: (...args: A) => Promise<T>, wrong: T) =>
  (...args: A): Promise<T> =>
    Promise.race([
      call(...args).catch(() => wrong),
      new Promise<T>((resolve) => void setTimeout(() => resolve(wrong), 100).unref()),
    ]);

/** What clients do wrong when the network or the process fails, by name: another process must make the same client. */
const clientBugs: Readonly<Record<string, Bug>> = {
  'silence is "busy"': ({ tryAcquire }) => ({ tryAcquire: guess(tryAcquire, { status: 'busy' }) }),
  'a release without an answer is "not-held"': ({ release }) => ({ release: guess(release, 'not-held') }),
  'what was aborted is not released': ({ tryAcquire, release }) => {
    const signals = new Map<string, AbortSignal>();
    return {
      tryAcquire(attempt) {
        signals.set(attempt.owner, attempt.signal);
        return tryAcquire(attempt);
      },
      release: async (hold) => (signals.get(hold.owner)?.aborted ? 'not-held' : release(hold)),
    };
  },
  'a renewal without an answer is "renewed"': ({ renew }) => ({
    renew: (hold, ttlMs) => guess(renew, { status: 'renewed', validForMs: ttlMs })(hold, ttlMs),
  }),
  'a renewal without an answer is "lost"': ({ renew }) => ({ renew: guess(renew, { status: 'lost' }) }),
  'an inspect without an answer is "free"': ({ inspect, forceRelease }) => ({
    inspect: guess(inspect!, undefined),
    forceRelease: guess(forceRelease!, false),
  }),
  'a list without an answer is empty': ({ keys }) => ({ keys: guess(keys!, { keys: [], next: undefined }) }),
  'what was not granted is not released': ({ tryAcquire, release }) => {
    const granted = new Set<string>();
    const forgotten = new Set<string>();
    return {
      async tryAcquire(attempt) {
        const outcome = await tryAcquire(attempt);
        if (outcome.status === 'granted') granted.add(attempt.owner);
        return outcome;
      },
      async release(hold) {
        if (!granted.has(hold.owner)) forgotten.add(hold.owner);
        return forgotten.has(hold.owner) ? 'not-held' : release(hold);
      },
    };
  },
  'the lease counts from the reply': (right) => ({
    async tryAcquire(attempt) {
      const sentAt = performance.now();
      const outcome = await right.tryAcquire(attempt);
      if (outcome.status === 'busy') return outcome;
      return { ...outcome, validForMs: outcome.validForMs + performance.now() - sentAt };
    },
  }),
  'it believes in ten leases': ({ capabilities, tryAcquire }) => ({
    // Core trusts no adapter beyond a whole lease and the granularity that it declares.
    capabilities: { ...capabilities, ttl: { ...capabilities.ttl, granularityMs: 600_000 } },
    async tryAcquire(attempt) {
      const outcome = await tryAcquire(attempt);
      return outcome.status === 'busy' ? outcome : { ...outcome, validForMs: 10 * outcome.validForMs };
    },
  }),
  'close waits for an answer': ({ inspect, close }) => ({
    async close() {
      await inspect!('bye');
      await close!();
    },
  }),
};

/** What servers do wrong, by name. */
export const serverBugs: Readonly<Record<string, (right: LockAdapter) => LockAdapter>> = {
  /** Grants whatever is asked, to anybody. */
  ownerBlind(right) {
    return {
      ...right,
      tryAcquire: async (attempt) => {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') return outcome;
        await right.forceRelease!(attempt.key);
        return right.tryAcquire(attempt);
      },
    };
  },
  /** Forgets every TTL. */
  endless(right) {
    const dayMs = 86_400_000;
    return {
      ...right,
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire({ ...attempt, ttlMs: dayMs });
        return outcome.status === 'busy' ? outcome : { ...outcome, validForMs: attempt.ttlMs };
      },
      async renew(hold, ttlMs) {
        const outcome = await right.renew(hold, dayMs);
        return outcome.status === 'lost' ? outcome : { ...outcome, validForMs: ttlMs };
      },
    };
  },
  /** Gives every hold the same token. */
  sameToken(right) {
    return {
      ...right,
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        return outcome.status === 'busy' ? outcome : { ...outcome, fencingToken: 7n };
      },
    };
  },
  /** Keeps no lease longer than a timer of Node can be. */
  longestTimer(right) {
    const longestMs = 2 ** 31 - 1;
    return {
      ...right,
      tryAcquire: (attempt) => right.tryAcquire({ ...attempt, ttlMs: Math.min(attempt.ttlMs, longestMs) }),
      renew: (hold, ttlMs) => right.renew(hold, Math.min(ttlMs, longestMs)),
    };
  },
};

/** The client with the bug of this name; correct without a name. */
export const withBug = (right: LockAdapter, name: string | undefined): LockAdapter => ({
  ...right,
  ...(name === undefined ? {} : clientBugs[name]?.(right)),
});

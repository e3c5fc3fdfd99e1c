import { setTimeout as sleep } from 'node:timers/promises';
import { holdOf } from './claim-leases.ts';
import type { Inside, Mutant } from './mutant.ts';

const areAlike = (one: string, other: string): boolean => one.startsWith(other) || other.startsWith(one);

/** What all clients of a backend have in common, for a mutant that mixes them up. */
const waits = new WeakMap<object, Set<(error: Error) => void>>();
/** The keys that are being freed by force. */
const forcing = new Set<string>();

function waitsOf({ rows }: Inside): Set<(error: Error) => void> {
  const known = waits.get(rows) ?? new Set();
  waits.set(rows, known);
  return known;
}

/** Names that are mixed up, clients that end, and hints that do not come. */
export const otherEndMutants: readonly Mutant[] = [
  {
    bug: 'a forced release compares owners by prefix',
    seenIn: 'H4',
    base: 'claims',
    caughtBy: ['LK-0302'],
    message: /A forced release of .*, which was taken for/,
    adapter: (right, { claims }) => ({
      async forceRelease(key: string, owner?: string) {
        const holder = claims.entries.get(key)?.holders.find((each) => areAlike(each.owner, owner ?? each.owner));
        return right.forceRelease!(key, owner && (holder?.owner ?? owner));
      },
    }),
  },
  {
    bug: 'who leaves the queue is looked for by the first characters of its owner ID',
    seenIn: 'H4, H105',
    base: 'claims',
    caughtBy: ['LK-0302'],
    message: /another one left, whose owner ID is like its own/,
    adapter: (right, { claims }) => ({
      async release(hold) {
        const entry = claims.entries.get(hold.key);
        if (entry) entry.queue = entry.queue.filter(({ attempt }) => !areAlike(attempt.owner, hold.owner));
        return right.release(hold);
      },
    }),
  },
  {
    bug: 'a forced release trims the key',
    seenIn: 'H86',
    base: 'queue',
    caughtBy: ['LK-0303'],
    message: /A forced release of /,
    adapter: (right) => ({ forceRelease: (key: string, owner?: string) => right.forceRelease!(key.trim(), owner) }),
  },
  {
    bug: 'inspect does not tell upper from lower case',
    seenIn: 'H86',
    base: 'claims',
    caughtBy: ['LK-0303'],
    message: /inspect of /,
    adapter: (right, { claims }) => ({
      async inspect(key) {
        const alike = [...claims.entries.values()].find(
          (each) => each.holders.length > 0 && each.key.toLowerCase() === key.toLowerCase(),
        );
        const info = await right.inspect!(alike?.key ?? key);
        return info && { ...info, key };
      },
    }),
  },
  {
    bug: 'when one client is closed, the waiting of all is over',
    seenIn: 'H40',
    base: 'queue',
    caughtBy: ['LK-0304'],
    message: /the connection was closed/,
    adapter: (right, inside) => ({
      enqueue: (attempt, signal) =>
        new Promise((resolve, reject) => {
          waitsOf(inside).add(reject);
          const end = () => void waitsOf(inside).delete(reject);
          right.enqueue!(attempt, signal).then(resolve, reject).finally(end);
        }),
      async close() {
        for (const reject of waitsOf(inside)) reject(new Error('the connection was closed'));
        await right.close!();
      },
    }),
  },
  {
    bug: 'a client that was closed calls every key busy, and every hold lost',
    seenIn: 'H85',
    base: 'queue',
    caughtBy: ['LK-0305'],
    message: /A client that was closed says/,
    adapter(right) {
      let isClosed = false;
      return {
        tryAcquire: async (attempt) => (isClosed ? { status: 'busy' } : right.tryAcquire(attempt)),
        renew: async (hold, ttlMs) => (isClosed ? { status: 'lost' } : right.renew(hold, ttlMs)),
        async close() {
          isClosed = true;
          await right.close!();
        },
      };
    },
  },
  {
    bug: 'every grant of the queue leaves a listener on its signal',
    seenIn: 'H43',
    base: 'queue',
    caughtBy: ['LK-0306'],
    message: /the signal has no more listeners/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        signal.addEventListener('abort', () => {});
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'there is no hint of a forced release',
    seenIn: 'H38',
    base: 'hints',
    caughtBy: ['LK-0307'],
    message: /a hint comes: the key was released by force/,
    adapter: (right) => ({
      async whenFree(key, signal) {
        do await right.whenFree!(key, signal);
        while (forcing.has(key));
      },
      async forceRelease(key: string, owner?: string) {
        forcing.add(key);
        const isFreed = await right.forceRelease!(key, owner);
        await sleep(1);
        forcing.delete(key);
        return isFreed;
      },
    }),
  },
  {
    bug: 'whenFree with a signal that has aborted is never answered',
    seenIn: 'H37',
    base: 'hints',
    caughtBy: ['LK-0308'],
    message: /its signal was aborted before/,
    adapter: (right) => ({
      whenFree: (key, signal) => (signal.aborted ? new Promise(() => {}) : right.whenFree!(key, signal)),
    }),
  },
  {
    bug: 'a hold that is called shared, and is exclusive still, is not found by its renewal',
    seenIn: 'the Redis adapters until now',
    base: 'claims',
    caughtBy: ['LK-0309'],
    message: /it is exclusive still, and called shared/,
    adapter: (right, inside) => ({
      renew: async (hold, ttlMs) =>
        hold.claim?.mode === 'shared' && holdOf(inside, hold, 'exclusive')
          ? { status: 'lost' }
          : right.renew(hold, ttlMs),
    }),
  },
];

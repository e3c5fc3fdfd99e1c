import { createServer } from 'node:net';
import type { LockInfo } from '@holdfast/lock-core';
import type { Mutant } from './mutant.ts';

/** What the mutants leave behind, to be cleared away after a run. */
export const leftovers: (() => void)[] = [];

/** Bugs in looking, in freeing by hand, in closing, and in what is declared. */
export const lookingMutants: readonly Mutant[] = [
  {
    bug: 'inspect does not notice the expiry',
    seenIn: 'H24',
    base: 'table',
    caughtBy: ['LK-0101'],
    message: /reports the expired key as free/,
    adapter: (_, { rows }) => ({
      async inspect(key) {
        const row = rows.get(key);
        return row && { key, owner: row.owner, remainingMs: 1, fencingToken: row.token, waiters: undefined };
      },
    }),
  },
  {
    bug: 'inspect finds every key free, also when it cannot tell',
    seenIn: 'H24',
    base: 'table',
    caughtBy: ['LK-0098', 'LK-0104'],
    message: /inspect reports a held key as free/,
    adapter: () => ({ inspect: async () => undefined }),
  },
  {
    bug: 'inspect tells the time that is left in seconds',
    seenIn: 'H82',
    base: 'table',
    caughtBy: ['LK-0099'],
    message: /Of a lease of .* ms, .* ms are left/,
    adapter: (right) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        return info && { ...info, remainingMs: Math.floor(-info.remainingMs! / 1_000) };
      },
    }),
  },
  {
    bug: 'inspect promises an end of a hold that ends with its session',
    seenIn: 'H88',
    base: 'sessions',
    caughtBy: ['LK-0100'],
    message: /ends with its session, but inspect says in/,
    adapter: (right) => ({
      async inspect(key): Promise<LockInfo | undefined> {
        const info = await right.inspect!(key);
        return info && { ...info, remainingMs: 60_000 };
      },
    }),
  },
  {
    bug: 'a forced release answers yes whatever it found, and frees nothing',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0103', 'LK-0055', 'LK-0102', 'LK-0104'],
    message: /Not within .* the waiter is served/,
    adapter: () => ({ forceRelease: async () => true }),
  },
  {
    bug: 'a forced release leaves the old owner the right to renew',
    seenIn: 'H5, H7',
    base: 'table',
    caughtBy: ['LK-0102'],
    message: /The old holder renewed/,
    adapter: (right, { rows }) => ({
      async renew(hold, ttlMs) {
        const row = rows.get(hold.key);
        // By the token, and one step behind: as good as not at all.
        if (row && hold.fencingToken === row.token - 1n) row.owner = hold.owner;
        return right.renew(hold, ttlMs);
      },
    }),
  },
  {
    bug: 'closing twice is an error',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0105'],
    message: /closed already/,
    adapter() {
      let closed = false;
      return {
        async close() {
          if (closed) throw new Error('The connection is closed already');
          closed = true;
        },
      };
    },
  },
  {
    bug: 'a socket stays open after close',
    seenIn: 'H43, H55',
    base: 'table',
    caughtBy: ['LK-0109'],
    message: /let go of its sockets and timers/,
    adapter() {
      const socket = createServer().listen(0, '127.0.0.1');
      leftovers.push(() => socket.close());
      return {};
    },
  },
  {
    bug: 'declares another capability than its harness was told',
    seenIn: 'H87',
    base: 'table',
    caughtBy: ['LK-0001'],
    message: /declares other capabilities/,
    adapter: (right) => ({ capabilities: { ...right.capabilities, survivesFailover: false } }),
  },
  {
    bug: 'declares a queue and has none',
    seenIn: 'H87',
    base: 'hints',
    caughtBy: ['LK-0002'],
    message: /Declares fairness "fifo", but has no enqueue/,
    declares: { fairness: 'fifo' },
  },
  {
    bug: 'declares no order and offers a queue',
    seenIn: 'H87',
    base: 'queue',
    caughtBy: ['LK-0003'],
    message: /Declares fairness "none", but has enqueue/,
    declares: { fairness: 'none' },
  },
  {
    bug: 'declares wake-ups and has none',
    seenIn: 'H87',
    base: 'table',
    caughtBy: ['LK-0004'],
    message: /Declares wakeup "push", but has neither/,
    declares: { wakeup: 'push' },
  },
  {
    bug: 'declares polling and offers wake-ups',
    seenIn: 'H87',
    base: 'hints',
    caughtBy: ['LK-0005'],
    message: /Declares wakeup "poll", but has/,
    declares: { wakeup: 'poll' },
  },
];

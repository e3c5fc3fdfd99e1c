import type { Mutant } from './mutant.ts';
import { quorumAdapter, rightRules } from './quorum-adapter.ts';

/** Bugs of a majority of nodes. */
export const quorumMutants: readonly Mutant[] = [
  {
    bug: 'Redlock forgets the drift of clocks',
    seenIn: 'H28, tutorials',
    base: 'quorum',
    caughtBy: ['LK-0012'],
    message: /let in .* before the lease could have ended/,
    adapter: (_, { nodes }, client) => quorumAdapter(nodes, client, { ...rightRules, driftMs: () => 0 }),
  },
  {
    bug: 'Redlock asks for the lock again in order to release it',
    seenIn: 'tutorials',
    base: 'quorum',
    caughtBy: ['LK-0017', 'LK-0030', 'LK-0031'],
    message: /expired hold was released/,
    adapter: (right) => ({
      async release(hold) {
        const again = await right.tryAcquire({
          ...hold,
          ttlMs: 60_000,
          tokens: 1,
          signal: new AbortController().signal,
        });
        return again.status === 'busy' ? 'not-held' : right.release(hold);
      },
    }),
  },
  {
    bug: 'Redlock counts a node that it cannot reach as a vote',
    seenIn: 'H30, tutorials',
    base: 'quorum',
    caughtBy: ['LK-0006', 'LK-0007'],
    message: /another client holds the key/,
    adapter: (_, { nodes }, client) => quorumAdapter(nodes, client, { ...rightRules, majority: 1 }),
  },
  {
    bug: 'Redlock keeps the votes of a refused round',
    seenIn: 'H30, node-redlock',
    base: 'quorum',
    caughtBy: ['LK-0027'],
    message: /only refused attempts/,
    adapter: (_, { nodes }, client) => quorumAdapter(nodes, client, { ...rightRules, givesBack: false }),
  },
  {
    bug: 'a renewal by Redlock takes nodes anew that had lost the hold',
    seenIn: 'H34, redis-semaphore',
    base: 'quorum',
    caughtBy: ['LK-0016', 'LK-0032'],
    message: /expired hold was renewed/,
    adapter: (_, { nodes }, client) => quorumAdapter(nodes, client, { ...rightRules, rejoins: true }),
  },
];

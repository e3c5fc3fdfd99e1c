import type { AcquireAttempt, LockAdapter } from '@holdfast/lock-core';
import {
  believesTooLong,
  connectsOnce,
  countsFromTheAnswer,
  failureIsBusy,
  unansweredInspectIsFree,
  unansweredListIsEmpty,
  unansweredReleaseIsNotHeld,
  unansweredRenewalIsLost,
  unansweredRenewalIsRenewed,
} from './outside-clients.ts';
import { coreMutants } from './outside-core.ts';
import type { OutsideMutant } from './outside-mutant.ts';

const LONGEST_TIMER_MS = 2 ** 31 - 1;
const ENDLESS_MS = 1e12;

/** The engine with other tokens: `tokenOf` is asked once for each owner. */
function withTokens(right: LockAdapter, tokenOf: () => bigint): LockAdapter {
  const tokens = new Map<string, bigint>();
  return {
    ...right,
    async tryAcquire(attempt) {
      const outcome = await right.tryAcquire({ ...attempt, tokens: 1 });
      if (outcome.status === 'busy') return outcome;
      const fencingToken = tokens.get(attempt.owner) ?? tokenOf();
      tokens.set(attempt.owner, fencingToken);
      return { ...outcome, fencingToken, tokens: 1 };
    },
  };
}

/** Who holds a key. */
const holderOf = async (right: LockAdapter, { key }: AcquireAttempt): Promise<string | undefined> =>
  (await right.inspect?.(key))?.owner;

/** The processes that were refused are served in their order, by the names in their owner IDs, whatever has become of them. */
function keepsTurns(right: LockAdapter): LockAdapter {
  const lines = new Map<string, Set<string>>();
  return {
    ...right,
    async tryAcquire(attempt) {
      const line = lines.get(attempt.key) ?? new Set();
      lines.set(attempt.key, line);
      const [name] = attempt.owner.split('~') as [string];
      const isNext = line.size === 0 || line.values().next().value === name;
      const outcome = isNext ? await right.tryAcquire(attempt) : ({ status: 'busy' } as const);
      if (outcome.status === 'busy') line.add(name);
      else line.delete(name);
      return outcome;
    },
  };
}

/** A writer that waits keeps further readers out, and nobody asks whether it still lives. */
function keepsReadersOut(right: LockAdapter): LockAdapter {
  const waiting = new Map<string, string>();
  return {
    ...right,
    async tryAcquire(attempt) {
      const { key, owner, claim } = attempt;
      const [name] = owner.split('~') as [string];
      const isReader = claim?.mode === 'shared';
      if (isReader && waiting.has(key)) return { status: 'busy' };
      const outcome = await right.tryAcquire(attempt);
      if (isReader) return outcome;
      if (outcome.status === 'busy') waiting.set(key, name);
      else if (waiting.get(key) === name) waiting.delete(key);
      return outcome;
    },
  };
}

/** Bugs of the server, which a lost answer or a restart brings to light. */
const serverMutants: readonly OutsideMutant[] = [
  {
    bug: 'the holder whose answer was lost asks again, and is refused its own lock',
    seenIn: 'H12, redis-semaphore, verrou',
    // Core recovers from it with a fresh owner ID, so only a case that asks the adapter itself can tell.
    caughtBy: ['LK-0024'],
    message: /refused its own lock/,
    engine: (right) => ({
      ...right,
      tryAcquire: async (attempt) =>
        (await holderOf(right, attempt)) === undefined ? right.tryAcquire(attempt) : { status: 'busy' },
    }),
  },
  {
    bug: 'the holder whose answer was lost asks again, and is never answered',
    seenIn: 'never published',
    caughtBy: ['LK-0118'],
    message: /Not within/,
    engine: (right) => ({
      ...right,
      tryAcquire: async (attempt) =>
        (await holderOf(right, attempt)) === attempt.owner ? new Promise(() => {}) : right.tryAcquire(attempt),
    }),
  },
  {
    bug: 'a release that was sent twice takes the lock from the next holder',
    seenIn: 'H1',
    caughtBy: ['LK-0120'],
    message: /took the lock from its next holder/,
    engine: (right) => ({
      ...right,
      release: async ({ key }) => ((await right.forceRelease!(key)) ? 'released' : 'not-held'),
    }),
  },
  {
    bug: 'the token counter is forgotten at a restart',
    seenIn: 'H62',
    caughtBy: ['LK-0141'],
    message: /and a restart came/,
    forgets: true,
    engine(right) {
      let last = 0n;
      return withTokens(right, () => ++last);
    },
  },
  {
    bug: 'one token for all holds',
    seenIn: 'H36, H61',
    caughtBy: ['LK-0149'],
    message: /was not refused/,
    engine: (right) => withTokens(right, () => 1n),
  },
  {
    bug: 'declares that locks survive a failover, and the new primary knows none of them',
    seenIn: 'H19',
    caughtBy: ['LK-0142'],
    message: /let in after a failover/,
    forgets: true,
  },
  {
    bug: 'a lock is lost in a failover, and renewals go on as if it was not',
    seenIn: 'H19, H52',
    caughtBy: ['LK-0143'],
    message: /Another was let in after the failover, and the old holder believes/,
    declares: { survivesFailover: false },
    forgets: true,
    engine: (right) => ({
      ...right,
      async renew(hold, ttlMs) {
        await right.renew(hold, ttlMs);
        return { status: 'renewed', validForMs: ttlMs };
      },
    }),
  },
  {
    bug: 'the turn of a process that is dead is kept for it',
    seenIn: 'H103, Redisson #6150',
    caughtBy: ['LK-0260'],
    message: /Not within .* passes the waiters that are dead/,
    engine: keepsTurns,
  },
  {
    bug: 'a writer that waits keeps readers out, even when it is dead',
    seenIn: 'H92, H103',
    caughtBy: ['LK-0360'],
    message: /Not within .* a reader passes a writer that is dead/,
    declares: { shared: true },
    engine: keepsReadersOut,
  },
  {
    bug: 'a lease is no longer than a timer can be',
    seenIn: 'H9',
    caughtBy: ['LK-0144'],
    message: /it is held for 30 days, and 29 are over/,
    engine: (right) => ({
      ...right,
      tryAcquire: (attempt) => right.tryAcquire({ ...attempt, ttlMs: Math.min(attempt.ttlMs, LONGEST_TIMER_MS) }),
    }),
  },
  {
    bug: 'the lock of a process that is killed stays for ever: SETNX, and no EXPIRE',
    seenIn: 'H2, tutorials',
    caughtBy: ['LK-0147'],
    message: /Not within .* the lock of a killed process comes free/,
    engine: (right) => ({
      ...right,
      tryAcquire: (attempt) => right.tryAcquire({ ...attempt, ttlMs: ENDLESS_MS }),
      renew: (hold) => right.renew(hold, ENDLESS_MS),
    }),
  },
];

/** Bugs of the client, when the network fails or its process stands still. */
const clientMutants: readonly OutsideMutant[] = [
  {
    bug: 'every failure is “busy”',
    seenIn: 'H85, verrou',
    caughtBy: ['LK-0131'],
    message: /Missing expected rejection|LOCK_TIMEOUT|LOCK_BACKEND/,
    around: failureIsBusy,
  },
  {
    bug: 'a release without an answer is “not held”',
    seenIn: 'H14, verrou',
    caughtBy: ['LK-0120'],
    message: /lost/,
    around: unansweredReleaseIsNotHeld,
  },
  {
    bug: 'a renewal without an answer is “renewed”',
    seenIn: 'H45, H52, redis-semaphore',
    caughtBy: ['LK-0125', 'LK-0126', 'LK-0127', 'LK-0135', 'LK-0138'],
    message: /its old holder, cut off, believes in .* ms more/,
    around: unansweredRenewalIsRenewed,
  },
  {
    bug: 'a renewal without an answer is “lost”',
    seenIn: 'H51, redlock-universal',
    caughtBy: ['LK-0122', 'LK-0135'],
    message: /is lost/,
    around: unansweredRenewalIsLost,
  },
  {
    bug: 'an inspect without an answer is “free”',
    seenIn: 'H24, redlock-universal',
    caughtBy: ['LK-0136', 'LK-0368'],
    message: /Missing expected rejection/,
    around: unansweredInspectIsFree,
  },
  {
    bug: 'a list without an answer has no locks',
    seenIn: 'H24',
    caughtBy: ['LK-0153', 'LK-0368'],
    message: /Missing expected rejection/,
    around: unansweredListIsEmpty,
  },
  {
    bug: 'the lease counts from the answer, however late that comes',
    seenIn: 'H28, H47, node-redlock, etcd3',
    caughtBy: ['LK-0123', 'LK-0124'],
    message: /before the lease could have ended/,
    around: countsFromTheAnswer,
  },
  {
    bug: 'a process that was paused believes in leases that are long over',
    seenIn: 'H48',
    caughtBy: ['LK-0148', 'LK-0138'],
    message: /does not know it/,
    around: believesTooLong,
    module: './mutants/open-believing.ts',
  },
  {
    bug: 'a process that has waited takes the key without asking whether it is its turn',
    seenIn: 'H48, H107',
    caughtBy: ['LK-0261'],
    message: /holds the key beside the one that passed it/,
    module: './mutants/open-impatient.ts',
  },
  {
    bug: 'a connection that was lost is never made again',
    seenIn: 'H76, H89',
    caughtBy: ['LK-0130', 'LK-0119', 'LK-0128', 'LK-0129', 'LK-0140'],
    message: /does not answer|no answer|Not within/,
    around: connectsOnce,
  },
  {
    bug: 'every process locks for itself, and another is declared',
    seenIn: 'H87',
    caughtBy: ['LK-0145', 'LK-0150'],
    message: /another process holds it/,
    module: './mutants/open-apart.ts',
  },
  {
    bug: 'other processes are excluded, and it is declared that they are not',
    seenIn: 'H87',
    caughtBy: ['LK-0146'],
    message: /declares crossProcess: false/,
    declares: { crossProcess: false },
  },
];

export const outsideGroups: Readonly<Record<string, readonly OutsideMutant[]>> = {
  'A server whose answers are lost, or that is restarted': serverMutants,
  'A client that is cut off, or whose process stands still': clientMutants,
  'What is done about lost answers': coreMutants,
};

export const outsideMutants: readonly OutsideMutant[] = Object.values(outsideGroups).flat();

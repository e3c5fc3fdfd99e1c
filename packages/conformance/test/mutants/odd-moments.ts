import { setTimeout as sleep } from 'node:timers/promises';
import { type Claim, type LockAdapter, LockError } from '@holdfast/lock-core';
import { type ClaimEntry, type ClaimHolder, claimsAdapter, limitOf, rightRules } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import { holdOf } from './claim-leases.ts';
import { memoryOf } from './memory.ts';
import type { Inside, Mutant } from './mutant.ts';

const modeOf = ({ claim }: { readonly claim?: Claim | undefined }): Claim['mode'] => claim?.mode ?? 'exclusive';
const entryOf = ({ claims }: Inside, key: string): ClaimEntry | undefined => claims.entries.get(key);
const overIn = (entry: ClaimEntry | undefined): readonly ClaimHolder[] =>
  entry?.holders.filter(({ expiresAt }) => now() >= expiresAt) ?? [];

/** Grants beside whoever holds the key. */
function enter({ claims }: Inside, key: string, hold: Omit<ClaimHolder, 'token' | 'tokens'>, token: bigint) {
  claims.entries.get(key)!.holders.push({ ...hold, token, tokens: 1 });
  return { status: 'granted', fencingToken: token, tokens: 1, validForMs: hold.expiresAt - now() } as const;
}

/** The moment at which a lease ends, signals that abort at odd moments, and calls that come late. */
export const oddMomentMutants: readonly Mutant[] = [
  {
    bug: 'of those who ask just when a lease has ended readers are let in beside a writer',
    seenIn: 'H44, H84',
    base: 'claims',
    caughtBy: ['LK-0320'],
    message: /Granted together, when the lease before had ended/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const { key, owner, ttlMs } = attempt;
        const ended = memoryOf<number>(inside);
        for (const { expiresAt } of overIn(entryOf(inside, key))) ended.set(key, expiresAt);
        const outcome = await right.tryAcquire(attempt);
        const isLate = now() - (ended.get(key) ?? 0) < 15 && entryOf(inside, key)!.queue.length === 0;
        if (outcome.status === 'granted' || modeOf(attempt) !== 'shared' || !isLate) return outcome;
        const hold = { owner, claim: { mode: 'shared' }, expiresAt: now() + ttlMs } as const;
        return enter(inside, key, hold, inside.claims.lastWritten.get(key) ?? 0n);
      },
    }),
  },
  {
    bug: 'a renewal that comes just when the lease of a reader or of permits has ended brings the hold back',
    seenIn: 'H6, H84',
    base: 'claims',
    caughtBy: ['LK-0319'],
    message: /Another was let in beside a hold|must stand/,
    adapter(right, inside) {
      const over = memoryOf<ClaimHolder>(inside);
      const note = (key: string): void => {
        for (const hold of overIn(entryOf(inside, key))) if (modeOf(hold) !== 'exclusive') over.set(hold.owner, hold);
      };
      return {
        tryAcquire(attempt) {
          note(attempt.key);
          return right.tryAcquire(attempt);
        },
        async renew(ref, ttlMs) {
          note(ref.key);
          const outcome = await right.renew(ref, ttlMs);
          const hold = over.get(ref.owner);
          if (outcome.status === 'renewed' || hold === undefined || now() - hold.expiresAt > 30) return outcome;
          hold.expiresAt = now() + ttlMs;
          entryOf(inside, ref.key)!.holders.push(hold);
          return { status: 'renewed', validForMs: ttlMs };
        },
      };
    },
  },
  {
    bug: 'the release of a reader whose lease has just ended ends the hold of another reader',
    seenIn: 'H100',
    base: 'claims',
    caughtBy: ['LK-0319'],
    message: /must stand: it (is another holder|was granted), after the release/,
    adapter: (right, inside) => ({
      async release(ref) {
        const isOver = overIn(entryOf(inside, ref.key)).some(({ owner }) => owner === ref.owner);
        const answer = await right.release(ref);
        const [other] = entryOf(inside, ref.key)!.holders;
        if (isOver && other && modeOf(ref) !== 'exclusive') await right.release({ ...ref, owner: other.owner });
        return answer;
      },
    }),
  },
  {
    bug: 'a request whose signal has aborted is answered "busy", whatever became of it',
    seenIn: 'H11',
    base: 'claims',
    caughtBy: ['LK-0317'],
    message: /was answered "busy", when its signal had aborted/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        await sleep(1);
        return attempt.signal.aborted ? { status: 'busy' } : outcome;
      },
    }),
  },
  {
    bug: 'a waiter whose signal aborts as it is granted rejects with the reason of the signal, and holds',
    seenIn: 'H106',
    base: 'claims',
    caughtBy: ['LK-0318'],
    message: /rejected with the reason of its signal/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        const granted = await right.enqueue!(attempt, signal);
        await sleep(2);
        signal.throwIfAborted();
        return granted;
      },
    }),
  },
  {
    bug: 'a signal that aborts before the place is confirmed is not looked at',
    seenIn: 'H42',
    base: 'claims',
    caughtBy: ['LK-0318'],
    message: /an enqueue settles, whose signal aborted/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        signal.throwIfAborted();
        await sleep(2);
        return right.enqueue!(attempt, signal.aborted ? new AbortController().signal : signal);
      },
    }),
  },
  {
    bug: 'the release of a former holder frees the key of who was granted it by the queue',
    seenIn: 'H1, H7',
    base: 'claims',
    caughtBy: ['LK-0196'],
    message: /A late request of its former owner took the lock/,
    adapter: (right, inside) => ({
      async enqueue(attempt, signal) {
        const former = entryOf(inside, attempt.key)?.holders[0]?.owner;
        const granted = await right.enqueue!(attempt, signal);
        if (former !== undefined) memoryOf<string>(inside).set(`${former} ${attempt.key}`, attempt.owner);
        return granted;
      },
      async release(ref) {
        const answer = await right.release(ref);
        const next = memoryOf<string>(inside).get(`${ref.owner} ${ref.key}`);
        if (answer === 'not-held' && next !== undefined) await right.release({ ...ref, owner: next });
        return answer;
      },
    }),
  },
  {
    bug: 'a hold that was downgraded is not found by a renewal that names it as exclusive',
    seenIn: 'the Redlock adapter until now',
    base: 'claims',
    caughtBy: ['LK-0322'],
    message: /it was downgraded, and is called exclusive still/,
    adapter: (right, inside) => ({
      renew: async (ref, ttlMs) =>
        modeOf(ref) === 'exclusive' && holdOf(inside, ref, 'shared') ? { status: 'lost' } : right.renew(ref, ttlMs),
    }),
  },
  {
    bug: 'a hold that was downgraded is not found by a release that names it as exclusive',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0322'],
    message: /must answer "released"/,
    adapter: (right, inside) => ({
      release: async (ref) =>
        modeOf(ref) === 'exclusive' && holdOf(inside, ref, 'shared') ? 'not-held' : right.release(ref),
    }),
  },
  {
    bug: 'a hold that was downgraded is not found by a forced release that names its owner',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0206'],
    message: /A writer that had downgraded was to be freed by name/,
    adapter: (right, inside) => ({
      downgrade(ref, ttlMs) {
        memoryOf<true>(inside).set(ref.owner, true);
        return right.downgrade!(ref, ttlMs);
      },
      forceRelease: async (key: string, owner?: string) =>
        memoryOf<true>(inside).has(owner ?? '') ? false : right.forceRelease!(key, owner),
    }),
  },
  {
    bug: 'a downgrade is answered before it takes effect',
    seenIn: 'H98',
    base: 'claims',
    caughtBy: ['LK-0207'],
    message: /The first request of a reader after a downgrade/,
    adapter: (right, inside) => ({
      async downgrade(ref, ttlMs) {
        const hold = holdOf(inside, ref);
        if (hold === undefined) return { status: 'lost' };
        hold.expiresAt = now() + ttlMs;
        setTimeout(() => void right.downgrade!(ref, ttlMs), 20);
        return { status: 'renewed', validForMs: ttlMs };
      },
    }),
  },
  {
    bug: 'a key is busy for 50 ms after its last reader, or the last of its permits, was released',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0181'],
    message: /The first request after a release/,
    adapter: (right, inside) => ({
      async release(ref) {
        const hold = holdOf(inside, ref);
        if (hold === undefined || hold.claim.mode === 'exclusive') return right.release(ref);
        hold.expiresAt = Math.min(hold.expiresAt, now() + 50);
        Object.assign(hold, { owner: `${ref.owner}, who left` });
        return 'released';
      },
    }),
  },
  {
    bug: 'a definite refusal is thrown, not rejected',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0217', 'LK-0218'],
    message: /it must return a promise, and threw/,
    adapter: (right: LockAdapter, inside) => ({
      tryAcquire(attempt) {
        const { key, claim = { mode: 'exclusive' } } = attempt;
        const held = rightRules.live(entryOf(inside, key)?.holders ?? [])[0]?.claim;
        if (held && limitOf(held) !== limitOf(claim)) {
          const uses = [held, claim].map((each) => `${each.mode} (a lock or a semaphore, limit ${limitOf(each)})`);
          throw new LockError('LOCK_INVALID_ARGUMENT', `the key is in use: ${uses.join(', not ')}`, { key });
        }
        return right.tryAcquire(attempt);
      },
    }),
  },
  {
    bug: 'the end of a lease that began with a downgrade wakes nobody',
    seenIn: 'H95',
    base: 'claims',
    caughtBy: ['LK-0292'],
    message: /that was downgraded meanwhile/,
    adapter: (_, { claims }) => ({
      downgrade: (ref, ttlMs) => claimsAdapter(claims, { watchesLeases: false }).downgrade!(ref, ttlMs),
    }),
  },
];

import type { AcquireAttempt, Granted } from '@holdfast/lock-core';
import { countOf, rightRules, sumOf } from '../support/claims-adapter.ts';
import { holdOf } from './claim-leases.ts';
import type { Mutant } from './mutant.ts';
import { withRules } from './readers.ts';

/** The same request under another name. */
const as = (owner: string, { key, ttlMs, tokens, claim, signal, ...more }: AcquireAttempt): AcquireAttempt => ({
  key,
  owner,
  ttlMs,
  tokens,
  claim,
  signal,
  onQueued: () => more.onQueued?.(),
});

const modeOf = ({ claim }: AcquireAttempt): string => claim?.mode ?? 'exclusive';

/** Places in a queue of readers and of permits, tokens, and what is held of a key in great numbers. */
export const claimQueueMutants: readonly Mutant[] = [
  {
    bug: 'a release does not withdraw the place of who waits for permits',
    seenIn: 'H64',
    base: 'claims',
    caughtBy: ['LK-0297'],
    message: /gave back its place/,
    adapter: (right, { claims }) => ({
      async release(hold) {
        const { queue = [] } = claims.entries.get(hold.key) ?? {};
        const waits = queue.some(({ attempt }) => attempt.owner === hold.owner && modeOf(attempt) === 'permits');
        return waits ? 'not-held' : right.release(hold);
      },
    }),
  },
  {
    bug: 'a reader that enqueues twice has two places',
    seenIn: 'H64',
    base: 'claims',
    caughtBy: ['LK-0297'],
    message: /an owner had asked twice for a shared hold/,
    adapter(right) {
      const known = new Set<string>();
      return {
        enqueue(attempt, signal) {
          const isAgain = known.has(attempt.owner) && modeOf(attempt) === 'shared';
          known.add(attempt.owner);
          return right.enqueue!(isAgain ? as(`${attempt.owner} again`, attempt) : attempt, signal);
        },
      };
    },
  },
  {
    bug: 'a forced release of readers drops those who wait',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0297'],
    message: /the owner of a shared hold was released by force/,
    adapter: (right, { claims }) => ({
      async forceRelease(key: string, owner?: string) {
        const entry = claims.entries.get(key);
        if (entry?.holders[0]?.claim.mode === 'shared') entry.queue = [];
        return right.forceRelease!(key, owner);
      },
    }),
  },
  {
    bug: 'a forced release that names a waiter takes its place',
    seenIn: 'the Redis adapters until now',
    base: 'claims',
    caughtBy: ['LK-0297'],
    message: /was released by force/,
    adapter: (right, { claims }) => ({
      async forceRelease(key: string, owner?: string) {
        const entry = claims.entries.get(key);
        if (entry) entry.queue = entry.queue.filter(({ attempt }) => attempt.owner !== owner);
        return right.forceRelease!(key, owner);
      },
    }),
  },
  {
    bug: 'who asks the queue for another use of the key is refused, and takes those who wait along',
    seenIn: 'H99',
    base: 'claims',
    caughtBy: ['LK-0297'],
    message: /others, with another use, were refused/,
    adapter: (right, { claims }) => ({
      enqueue: (attempt, signal) =>
        right.enqueue!(attempt, signal).catch((error: { code?: string }) => {
          const entry = claims.entries.get(attempt.key);
          if (entry && error.code === 'LOCK_INVALID_ARGUMENT') entry.queue = [];
          throw error;
        }),
    }),
  },
  {
    bug: 'a signal that aborts after the grant of the queue ends the hold',
    seenIn: 'H106',
    base: 'claims',
    caughtBy: ['LK-0298', 'LK-0306'],
    message: /its signal was aborted after the grant/,
    adapter: (right) => ({
      async enqueue(attempt, signal) {
        const granted = await right.enqueue!(attempt, signal);
        signal.addEventListener('abort', () => void right.release(attempt), { once: true });
        return granted;
      },
    }),
  },
  {
    bug: 'a signal that aborts after the answer to a request ends the hold',
    seenIn: 'H106',
    base: 'queue',
    caughtBy: ['LK-0298', 'LK-0306'],
    message: /the holder aborted the signal of its request/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        attempt.signal.addEventListener('abort', () => void right.release(attempt).catch(() => {}), { once: true });
        return outcome;
      },
    }),
  },
  {
    bug: 'a key has room for sixteen holders',
    seenIn: 'H43',
    base: 'claims',
    caughtBy: ['LK-0299'],
    message: /are let in together/,
    adapter: withRules({ fits: (claim, holders) => holders.length < 16 && rightRules.fits(claim, holders) }),
  },
  {
    bug: 'permits are counted in sixteen bits',
    seenIn: 'H9',
    base: 'claims',
    caughtBy: ['LK-0300'],
    message: /permits are held|a free key is granted/,
    adapter: withRules({
      fits: (claim, holders) =>
        claim.mode === 'permits'
          ? ((sumOf(holders) + claim.permits) & 0xffff) <= (claim.limit & 0xffff)
          : rightRules.fits(claim, holders),
    }),
  },
  {
    bug: 'the sum of permits wraps at 2^31',
    seenIn: 'H9',
    base: 'claims',
    caughtBy: ['LK-0300'],
    message: /A request for 2147483647 of 2147483647 permits must be told "busy"/,
    adapter: withRules({
      fits: (claim, holders) =>
        claim.mode === 'permits'
          ? ((sumOf(holders) + claim.permits) | 0) <= claim.limit
          : rightRules.fits(claim, holders),
    }),
  },
  {
    bug: 'who holds permits and asks for more has more, beyond the limit too',
    seenIn: 'H64',
    base: 'claims',
    caughtBy: ['LK-0312'],
    message: /a free key is granted/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const hold = holdOf(inside, attempt, 'permits');
        const outcome = await right.tryAcquire(attempt);
        if (hold && attempt.claim && countOf(attempt.claim) > countOf(hold.claim)) hold.claim = attempt.claim;
        return outcome;
      },
    }),
  },
  {
    bug: 'locks and permits of a key count their tokens apart',
    seenIn: 'H62',
    base: 'claims',
    caughtBy: ['LK-0301'],
    message: /were given before/,
    adapter(_right, inside) {
      const counters = new Map<string, bigint>();
      return withRules({
        token(store, key, about) {
          if (about.claim.mode !== 'permits') return rightRules.token(store, key, about);
          const token = (counters.get(key) ?? 0n) + 1n;
          counters.set(key, token + BigInt(about.tokens) - 1n);
          return token;
        },
      })(_right, inside, 0);
    },
  },
  {
    bug: 'who waited for permits is told the token of the grant before it',
    seenIn: 'H62',
    base: 'claims',
    caughtBy: ['LK-0301'],
    message: /permits, by the queue, got token|Asking again changed the token of a hold of 2 of 7 permits/,
    adapter: (right) => ({
      async enqueue(attempt, signal): Promise<Granted> {
        const granted = await right.enqueue!(attempt, signal);
        return modeOf(attempt) === 'permits' ? { ...granted, fencingToken: granted.fencingToken! - 1n } : granted;
      },
    }),
  },
  {
    bug: 'one token more is reserved than was asked for',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0301'],
    message: /were asked for/,
    adapter: (right) => ({
      tryAcquire: (attempt) => right.tryAcquire({ ...as(attempt.owner, attempt), tokens: attempt.tokens + 1 }),
    }),
  },
];

import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireAttempt, Claim } from '@holdfast/lock-core';
import { type ClaimHolder, claimsAdapter, rightRules, sumOf } from '../support/claims-adapter.ts';
import type { Mutant } from './mutant.ts';
import { withRules } from './readers.ts';

const isPermits = ({ mode }: Claim): boolean => mode === 'permits';

/** What is held of a key as a counter has it: nobody's lease brings it down. */
const counters = new WeakMap<object, Map<string, number>>();

/** Semaphores, as other libraries got them wrong. */
export const permitMutants: readonly Mutant[] = [
  {
    bug: 'a request for many permits is counted as one',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0212', 'LK-0213', 'LK-0224'],
    message: /of 7 permits are held/,
    adapter: withRules({
      fits: (claim, holders) =>
        claim.mode === 'permits' ? holders.length + 1 <= claim.limit : rightRules.fits(claim, holders),
    }),
  },
  {
    bug: 'one permit more than the limit is given: `<=` where `<` belongs',
    seenIn: 'H32',
    base: 'claims',
    caughtBy: ['LK-0212', 'LK-0213', 'LK-0224'],
    message: /all of 7 permits are held|of 7 permits are held/,
    adapter: withRules({
      fits: (claim, holders) =>
        claim.mode === 'permits' ? sumOf(holders) + claim.permits <= claim.limit + 1 : rightRules.fits(claim, holders),
    }),
  },
  {
    bug: 'the sum of permits is read, and written after a while: requests at once all find them free',
    seenIn: 'redis-semaphore (its Redlock semaphore admitted three at a limit of two)',
    base: 'claims',
    caughtBy: ['LK-0213', 'LK-0211'],
    message: /permits were held of 5/,
    adapter(_right, { claims }) {
      const right = claimsAdapter(claims);
      const blind = claimsAdapter(claims, { fits: () => true, mayPass: () => true });
      return {
        async tryAcquire(attempt) {
          const claim = attempt.claim ?? { mode: 'exclusive' };
          const { holders = [], queue = [] } = claims.entries.get(attempt.key) ?? {};
          const seen = queue.length === 0 && rightRules.fits(claim, rightRules.live(holders));
          await sleep(1);
          return seen ? blind.tryAcquire(attempt) : right.tryAcquire(attempt);
        },
      };
    },
  },
  {
    bug: 'permits are a counter: those of a holder that crashed never come back',
    seenIn: 'H94, Redisson #4462, Curator #982',
    base: 'claims',
    caughtBy: ['LK-0215', 'LK-0216'],
    message: /gets the permits of a holder that crashed/,
    adapter: withRules({
      live: (holders) => holders.filter((holder) => isPermits(holder.claim) || rightRules.live([holder]).length > 0),
    }),
  },
  {
    bug: 'permits whose lease is over come back, and who waits for them is not told',
    seenIn: 'H95, Redisson #5762',
    base: 'claims',
    caughtBy: ['LK-0215'],
    message: /gets the permits of a holder that crashed/,
    adapter: withRules({ watchesLeases: false }),
  },
  {
    bug: 'a waiter for permits is told only when all of them are free',
    seenIn: 'H95',
    base: 'claims',
    caughtBy: ['LK-0214', 'LK-0215', 'LK-0223'],
    message: /the large request is granted, and a small one beside it|granted/,
    adapter: withRules({
      next: (entry, fits) =>
        entry.holders.some(({ claim }) => isPermits(claim)) ? undefined : rightRules.next(entry, fits),
    }),
  },
  {
    bug: 'small requests for permits pass a large one that waits',
    seenIn: 'H92, Redisson #5379',
    base: 'claims',
    caughtBy: ['LK-0214', 'LK-0223'],
    message: /a larger request waits/,
    adapter: withRules({ mayPass: (claim, queue) => queue.length === 0 || isPermits(claim) }),
  },
  {
    bug: 'of the queue for permits whoever fits is granted, the large one last',
    seenIn: 'H92',
    base: 'claims',
    caughtBy: ['LK-0214', 'LK-0223'],
    message: /must wait: the request for 6 permits is first/,
    adapter: withRules({ next: ({ queue }, fits) => queue.find(({ claim }) => fits(claim)) }),
  },
  {
    bug: 'the release of permits that are over takes those of another holder',
    seenIn: 'H100, Redisson #2045',
    base: 'claims',
    caughtBy: ['LK-0216', 'LK-0213', 'LK-0229'],
    message: /must answer "not-held"|must stand/,
    adapter: withRules({
      released: (holders, owner) =>
        rightRules.released(holders, owner) ?? [...holders].reverse().find(({ claim }) => isPermits(claim)),
    }),
  },
  {
    bug: 'the renewal of one holder of permits prolongs those of all',
    seenIn: 'H93',
    base: 'claims',
    caughtBy: ['LK-0216'],
    message: /a free key is granted/,
    adapter: withRules({
      live: (holders) =>
        holders.every(({ claim }) => isPermits(claim)) && rightRules.live(holders).length > 0
          ? [...holders]
          : rightRules.live(holders),
    }),
  },
  {
    bug: 'the limit is that of the latest request',
    seenIn: 'H99, Curator #596',
    base: 'claims',
    caughtBy: ['LK-0217'],
    message: /must be refused with LOCK_INVALID_ARGUMENT/,
    adapter: withRules({
      conflicts: (claim, { claim: held }) => claim.mode !== held.mode && (isPermits(claim) || isPermits(held)),
    }),
  },
  {
    bug: 'another limit is told to wait until the key is free',
    seenIn: 'H99',
    base: 'claims',
    caughtBy: ['LK-0217', 'LK-0218'],
    message: /must be refused with LOCK_INVALID_ARGUMENT|is refused/,
    adapter: withRules({
      conflicts: () => false,
      fits: (claim, holders) =>
        !holders.some((holder) => rightRules.conflicts(claim, holder)) && rightRules.fits(claim, holders),
    }),
  },
  {
    bug: 'the limit that a key once had is kept for ever',
    seenIn: 'H99',
    base: 'claims',
    caughtBy: ['LK-0217', 'LK-0222'],
    message: /a free key is granted/,
    adapter(_right, { claims }) {
      const right = claimsAdapter(claims);
      return {
        async tryAcquire(attempt) {
          const limits = counters.get(claims) ?? new Map<string, number>();
          counters.set(claims, limits);
          const { claim } = attempt;
          if (claim?.mode !== 'permits') return right.tryAcquire(attempt);
          const limit = limits.get(attempt.key) ?? claim.limit;
          limits.set(attempt.key, limit);
          const outcome = await right.tryAcquire(attempt);
          if (outcome.status === 'busy' || limit === claim.limit) return outcome;
          await right.release(attempt);
          return { status: 'busy' };
        },
      };
    },
  },
  {
    bug: 'a key is lock and semaphore at once: each kind looks for its own holders alone',
    seenIn: 'H99',
    base: 'claims',
    caughtBy: ['LK-0218'],
    message: /must be refused with LOCK_INVALID_ARGUMENT/,
    adapter: withRules({
      conflicts: () => false,
      fits: (claim, holders) => rightRules.fits(claim, ofKind(claim, holders)),
    }),
  },
  {
    bug: 'a refusal of another limit says nothing of either',
    seenIn: 'H99',
    base: 'claims',
    caughtBy: ['LK-0217', 'LK-0218'],
    message: /must name the limit/,
    adapter(_right, { claims }) {
      const right = claimsAdapter(claims);
      const plain = (error: { message: string }): never => {
        error.message = 'refused';
        throw error;
      };
      return {
        tryAcquire: (attempt) => right.tryAcquire(attempt).catch(plain),
        enqueue: (attempt, signal) => right.enqueue!(attempt, signal).catch(plain),
      };
    },
  },
  {
    bug: 'all permits of a key have one token',
    seenIn: 'H62',
    base: 'claims',
    caughtBy: ['LK-0219'],
    message: /A grant of permits got token/,
    adapter: withRules({
      token: (store, key, about) =>
        isPermits(about.claim) ? (store.lastWritten.get(key) ?? 1n) : rightRules.token(store, key, about),
    }),
  },
  {
    bug: 'who asks again for its permits gets them again, beside those that it has',
    seenIn: 'H64',
    base: 'claims',
    caughtBy: ['LK-0221', 'LK-0229'],
    message: /a free key is granted|must be told "busy"|refused its own/,
    adapter(_right, { claims }) {
      const right = claimsAdapter(claims);
      /** Under another name: a release of the owner does not give them back. */
      const again = async ({ key, owner, ttlMs, tokens, claim, signal }: AcquireAttempt): Promise<void> => {
        if (claim?.mode !== 'permits' || !claims.entries.get(key)?.holders.some((holder) => holder.owner === owner))
          return;
        await right.tryAcquire({ key, owner: `${owner} again`, ttlMs, tokens, claim, signal });
      };
      return {
        tryAcquire: (attempt) => again(attempt).then(() => right.tryAcquire(attempt)),
        enqueue: (attempt, signal) => again(attempt).then(() => right.enqueue!(attempt, signal)),
      };
    },
  },
];

const ofKind = (claim: Claim, holders: readonly ClaimHolder[]): readonly ClaimHolder[] =>
  holders.filter((holder) => isPermits(holder.claim) === isPermits(claim));

import type { Claim, LockAdapter } from '@holdfast/lock-core';
import { type ClaimHolder, type ClaimRules, claimsAdapter, rightRules } from '../support/claims-adapter.ts';
import type { Inside, Mutant } from './mutant.ts';

/** The right adapter with one rule that is wrong. */
export const withRules =
  (wrong: Partial<ClaimRules>): NonNullable<Mutant['adapter']> =>
  (_right: LockAdapter, inside: Inside) =>
    claimsAdapter(inside.claims, wrong);

const isReader = ({ mode }: Claim): boolean => mode === 'shared';
const everyReader = (holders: readonly ClaimHolder[]): boolean => holders.every(({ claim }) => isReader(claim));

/** Readers and writers, as other libraries got them wrong. */
export const readerMutants: readonly Mutant[] = [
  {
    bug: 'readers exclude each other: every claim is taken for an exclusive one',
    seenIn: 'H87',
    base: 'claims',
    caughtBy: ['LK-0200', 'LK-0209'],
    message: /a free key is granted/,
    adapter: withRules({
      fits: (claim, holders) => holders.length === 0 || (claim.mode === 'permits' && rightRules.fits(claim, holders)),
    }),
  },
  {
    bug: 'a writer gets in beside readers: it looks for other writers alone',
    seenIn: 'H44',
    base: 'claims',
    caughtBy: ['LK-0200', 'LK-0211', 'LK-0225', 'LK-0227'],
    message: /A request for an exclusive hold must be told "busy"/,
    adapter: withRules({
      fits: (claim, holders) => rightRules.fits(claim, holders) || (claim.mode === 'exclusive' && everyReader(holders)),
    }),
  },
  {
    bug: 'a reader gets in beside a writer',
    seenIn: 'H44',
    base: 'claims',
    caughtBy: ['LK-0200', 'LK-0211'],
    message: /A request for a shared hold must be told "busy"/,
    adapter: withRules({ fits: (claim, holders) => isReader(claim) || rightRules.fits(claim, holders) }),
  },
  {
    bug: 'a reader passes a writer that waits, for as long as readers come',
    seenIn: 'H91, Redisson #5379',
    base: 'claims',
    caughtBy: ['LK-0201', 'LK-0202'],
    message: /a writer waits/,
    adapter: withRules({ mayPass: (claim, queue) => queue.length === 0 || isReader(claim) }),
  },
  {
    bug: 'readers in the queue are let in past a writer before them',
    seenIn: 'H91',
    base: 'claims',
    caughtBy: ['LK-0201', 'LK-0208'],
    message: /must wait/,
    adapter: withRules({ next: ({ queue }, fits) => queue.find(({ claim }) => fits(claim)) }),
  },
  {
    bug: 'writers are served before all readers, whoever came first',
    seenIn: 'H92',
    base: 'claims',
    caughtBy: ['LK-0201', 'LK-0202'],
    message: /the readers behind the writer are granted together/,
    adapter: withRules({
      next: ({ queue }, fits) =>
        [...queue.filter((w) => !isReader(w.claim)), ...queue].slice(0, 1).find((w) => fits(w.claim)),
    }),
  },
  {
    bug: 'of the readers behind a writer one is let in, and the next when that one leaves',
    seenIn: 'H92, kazoo #649',
    base: 'claims',
    caughtBy: ['LK-0201', 'LK-0208'],
    message: /are granted together/,
    adapter: withRules({
      next: (entry, fits) => (entry.holders.length === 0 ? rightRules.next(entry, fits) : undefined),
    }),
  },
  {
    bug: 'the renewal of one reader keeps all readers alive',
    seenIn: 'H93, Redisson #1458',
    base: 'claims',
    caughtBy: ['LK-0204'],
    message: /only other readers renewed theirs/,
    adapter: withRules({
      live: (holders) =>
        rightRules.live(holders).length > 0 && everyReader(holders) ? [...holders] : rightRules.live(holders),
    }),
  },
  {
    bug: 'readers are counted: a release by anybody is one reader less',
    seenIn: 'H1',
    base: 'claims',
    caughtBy: ['LK-0205', 'LK-0204', 'LK-0228'],
    message: /must answer "not-held"/,
    adapter: withRules({
      released: (holders, owner) =>
        rightRules.released(holders, owner) ?? (everyReader(holders) ? holders.at(-1) : undefined),
    }),
  },
  {
    bug: 'the last reader that leaves is the first: its release frees the key of all',
    seenIn: 'etcd recipes',
    base: 'claims',
    caughtBy: ['LK-0200', 'LK-0205'],
    message: /readers hold the key|readers? of three|have left/,
    adapter: (_right, { claims }) => {
      const right = claimsAdapter(claims);
      return {
        ...right,
        async release(hold) {
          const answer = await right.release(hold);
          if (answer === 'released' && hold.claim?.mode === 'shared') await right.forceRelease!(hold.key);
          return answer;
        },
      };
    },
  },
  {
    bug: 'a forced release that names a reader frees all of them',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0206', 'LK-0222'],
    message: /another reader was released by force|freed by name twice/,
    adapter: (_right, { claims }) => {
      const right = claimsAdapter(claims);
      return {
        async forceRelease(key: string, owner?: string) {
          const holds = claims.entries
            .get(key)
            ?.holders.some((holder) => owner === undefined || holder.owner === owner);
          return holds ? right.forceRelease!(key) : false;
        },
      };
    },
  },
  {
    bug: 'a forced release frees the earliest reader alone',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0206', 'LK-0222'],
    message: /all readers were released by force/,
    adapter: (_right, { claims }) => {
      const right = claimsAdapter(claims);
      return {
        forceRelease: (key: string, owner?: string) =>
          right.forceRelease!(key, owner ?? claims.entries.get(key)?.holders[0]?.owner),
      };
    },
  },
  {
    bug: 'readers have no token: 0 whatever was written before',
    seenIn: 'H109',
    base: 'claims',
    caughtBy: ['LK-0203'],
    message: /A shared grant got token 0 after an exclusive one/,
    adapter: withRules({
      token: (store, key, about) => (isReader(about.claim) ? 0n : rightRules.token(store, key, about)),
    }),
  },
  {
    bug: 'a reader has the token that the next writer will have',
    seenIn: 'H109',
    base: 'claims',
    caughtBy: ['LK-0203'],
    message: /An exclusive grant got token/,
    adapter: withRules({
      token: (store, key, about) =>
        isReader(about.claim) ? store.lastToken + 1n : rightRules.token(store, key, about),
    }),
  },
  {
    bug: 'a reader that asks again holds twice, and one release leaves it in',
    seenIn: 'H64',
    base: 'claims',
    caughtBy: ['LK-0209', 'LK-0228'],
    message: /gave it back|must be "lost"/,
    adapter(_right, { claims }) {
      const right = claimsAdapter(claims);
      const held = new Map<string, number>();
      const note = <T extends { status: string }>({ owner }: { owner: string }, outcome: T): T => {
        if (outcome.status === 'granted') held.set(owner, (held.get(owner) ?? 0) + 1);
        return outcome;
      };
      return {
        tryAcquire: async (attempt) => note(attempt, await right.tryAcquire(attempt)),
        enqueue: async (attempt, signal) => note(attempt, await right.enqueue!(attempt, signal)),
        async release(hold) {
          const times = held.get(hold.owner) ?? 1;
          held.set(hold.owner, times - 1);
          return times > 1 && hold.claim?.mode === 'shared' ? 'released' : right.release(hold);
        },
      };
    },
  },
  {
    bug: 'a downgrade gives the lock back and asks for a shared one: a writer that waits gets in between',
    seenIn: 'H98, Curator #1138, Redisson #4217',
    base: 'claims',
    caughtBy: ['LK-0208'],
    message: /A downgrade must answer "renewed"|not within|Not within/,
    adapter: (_right, { claims }) => {
      const right = claimsAdapter(claims);
      return {
        async downgrade(hold, ttlMs) {
          await right.release(hold);
          const { signal } = new AbortController();
          const attempt = { ...hold, ttlMs, tokens: 1, claim: { mode: 'shared' } as const, signal };
          const { status } = await right.tryAcquire(attempt);
          return status === 'granted' ? { status: 'renewed', validForMs: ttlMs } : { status: 'lost' };
        },
      };
    },
  },
  {
    bug: 'a downgrade lets nobody in: readers that wait get in with the next release',
    seenIn: 'H98',
    base: 'claims',
    caughtBy: ['LK-0208', 'LK-0227'],
    message: /are granted after the downgrade/,
    adapter: (_right, { claims }) => {
      const right = claimsAdapter(claims);
      return {
        async downgrade(hold, ttlMs) {
          const holder = claims.entries.get(hold.key)?.holders.find(({ owner }) => owner === hold.owner);
          const waiting = claims.entries.get(hold.key)?.queue.splice(0) ?? [];
          const outcome = await right.downgrade!(hold, ttlMs);
          if (holder) claims.entries.get(hold.key)!.queue.push(...waiting);
          return outcome;
        },
      };
    },
  },
  {
    bug: 'a downgrade of a lock that was released takes the key',
    seenIn: 'H6',
    base: 'claims',
    caughtBy: ['LK-0207'],
    message: /was downgraded|A stranger downgraded/,
    adapter: (_right, { claims }) => {
      const right = claimsAdapter(claims);
      return {
        async downgrade(hold, ttlMs) {
          const { signal } = new AbortController();
          const attempt = { ...hold, ttlMs, tokens: 1, claim: { mode: 'shared' } as const, signal };
          await right.tryAcquire(attempt).catch(() => {});
          return right.downgrade!(hold, ttlMs);
        },
      };
    },
  },
  {
    bug: 'inspect of a key that is shared tells of one holder, and says that it is exclusive',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0210', 'LK-0220'],
    message: /inspect of a key that is shared/,
    adapter: (right) => ({
      async inspect(key) {
        const info = await right.inspect!(key);
        return info && { ...info, mode: undefined, holders: undefined, limit: undefined };
      },
    }),
  },
];

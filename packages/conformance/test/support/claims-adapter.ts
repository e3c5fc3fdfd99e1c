import { type AcquireAttempt, type Claim, type Granted, type LockAdapter, LockError } from '@holdfast/lock-core';
import { now } from './table-adapter.ts';

export interface ClaimHolder {
  readonly owner: string;
  readonly token: bigint;
  readonly tokens: number;
  claim: Claim;
  expiresAt: number;
}

export interface ClaimWaiter {
  readonly attempt: AcquireAttempt;
  readonly claim: Claim;
  readonly calledAt: number;
  grant(granted: Granted): void;
  gone: boolean;
}

/** One key in use. */
export interface ClaimEntry {
  readonly key: string;
  holders: ClaimHolder[];
  queue: ClaimWaiter[];
  timer?: ReturnType<typeof setTimeout> | undefined;
}

/** What all clients of a backend share. */
export interface ClaimStore {
  readonly entries: Map<string, ClaimEntry>;
  lastToken: bigint;
  /** By key, the last one that an exclusive grant has reserved. */
  readonly lastWritten: Map<string, bigint>;
}

export const newClaimStore = (): ClaimStore => ({ entries: new Map(), lastToken: 0n, lastWritten: new Map() });

export const countOf = (claim: Claim): number => (claim.mode === 'permits' ? claim.permits : 0);
export const limitOf = (claim: Claim): number | undefined => (claim.mode === 'permits' ? claim.limit : undefined);

/** What is held of this in all. */
export const sumOf = (holders: readonly ClaimHolder[]): number =>
  holders.reduce((sum, { claim }) => sum + countOf(claim), 0);

/** The right rules; each mutant has one that is wrong. */
export const rightRules = {
  /** Whether a claim can be granted beside the holders. */
  fits(claim: Claim, holders: readonly ClaimHolder[]): boolean {
    if (holders.length === 0) return true;
    if (claim.mode === 'permits') return sumOf(holders) + claim.permits <= claim.limit;
    return claim.mode === 'shared' && holders.every((holder) => holder.claim.mode === 'shared');
  },
  /** Whether a newcomer may be looked at while others wait. */
  mayPass: (_claim: Claim, queue: readonly ClaimWaiter[]): boolean => queue.length === 0,
  /** Who of the queue is granted next, if anybody. */
  next(entry: ClaimEntry, fits: (claim: Claim) => boolean): ClaimWaiter | undefined {
    const [head] = entry.queue;
    return head && fits(head.claim) ? head : undefined;
  },
  /** Those who still hold. */
  live: (holders: readonly ClaimHolder[]): ClaimHolder[] => holders.filter(({ expiresAt }) => now() < expiresAt),
  /** Whether a claim is another use of a key than that of its holders. */
  conflicts: (claim: Claim, { claim: held }: ClaimHolder): boolean => limitOf(claim) !== limitOf(held),
  token(store: ClaimStore, key: string, { claim, tokens }: { claim: Claim; tokens: number }): bigint {
    if (claim.mode === 'shared') return store.lastWritten.get(key) ?? 0n;
    const token = store.lastToken + 1n;
    store.lastToken += BigInt(tokens);
    // Of its block the last, since all of it may have been used.
    if (claim.mode === 'exclusive') store.lastWritten.set(key, store.lastToken);
    return token;
  },
  /** For how long a waiter that is granted has the key. */
  leaseOfWaiter: ({ attempt }: ClaimWaiter): number => attempt.ttlMs,
  /** What a waiter that leaves takes with it. */
  leave(entry: ClaimEntry, waiter: ClaimWaiter): void {
    entry.queue = entry.queue.filter((each) => each !== waiter);
  },
  /** Whom a release ends. */
  released: (holders: readonly ClaimHolder[], owner: string): ClaimHolder | undefined =>
    holders.find((holder) => holder.owner === owner),
  /** Whether the end of a lease is looked for while somebody waits. */
  watchesLeases: true,
};
export type ClaimRules = typeof rightRules;

/** A right adapter with a queue, for claims of all kinds, unless one of its rules is wrong. */
export function claimsAdapter(store: ClaimStore, wrong: Partial<ClaimRules> = {}): LockAdapter {
  const rules = { ...rightRules, ...wrong };

  const entryOf = (key: string): ClaimEntry => {
    const entry = store.entries.get(key) ?? { key, holders: [], queue: [] };
    store.entries.set(key, entry);
    settle(entry);
    return entry;
  };
  const settle = (entry: ClaimEntry): void => {
    entry.holders = rules.live(entry.holders);
    for (;;) {
      const waiter = rules.next(entry, (claim) => rules.fits(claim, entry.holders));
      if (waiter === undefined) break;
      entry.queue = entry.queue.filter((each) => each !== waiter);
      const holder = add(entry, waiter.attempt, waiter.claim, rules.leaseOfWaiter(waiter));
      waiter.grant(grantOf(holder, now() + waiter.attempt.ttlMs - waiter.calledAt));
    }
    clearTimeout(entry.timer);
    entry.timer = undefined;
    const endsAt = Math.min(...entry.holders.map(({ expiresAt }) => expiresAt));
    if (entry.queue.length > 0 && rules.watchesLeases && endsAt < Number.POSITIVE_INFINITY)
      entry.timer = setTimeout(() => settle(entry), Math.min(Math.ceil(endsAt - now()), 2 ** 31 - 1));
  };
  const add = (entry: ClaimEntry, attempt: AcquireAttempt, claim: Claim, ttlMs: number): ClaimHolder => {
    const tokens = claim.mode === 'shared' ? 1 : attempt.tokens;
    const token = rules.token(store, entry.key, { claim, tokens });
    const holder = { owner: attempt.owner, claim, token, tokens, expiresAt: now() + ttlMs };
    entry.holders.push(holder);
    return holder;
  };
  const grantOf = ({ token, tokens }: ClaimHolder, validForMs: number): Granted => ({
    status: 'granted',
    fencingToken: token,
    tokens,
    validForMs,
  });
  /** A grant, or the entry that is in the way. */
  const ask = (attempt: AcquireAttempt): Granted | ClaimEntry => {
    const { key, owner, ttlMs, claim = { mode: 'exclusive' } } = attempt;
    const entry = entryOf(key);
    const [first] = entry.holders;
    if (first && rules.conflicts(claim, first))
      throw new LockError('LOCK_INVALID_ARGUMENT', `the key is in use ${use(first.claim)}, not ${use(claim)}`, { key });
    const own = entry.holders.find((holder) => holder.owner === owner);
    if (own) {
      own.expiresAt = Math.max(own.expiresAt, now() + ttlMs);
      return grantOf(own, own.expiresAt - now());
    }
    if (!rules.mayPass(claim, entry.queue) || !rules.fits(claim, entry.holders)) return entry;
    return grantOf(add(entry, attempt, claim, ttlMs), ttlMs);
  };
  const prolong = (key: string, owner: string, ttlMs: number, change = (_: ClaimHolder) => {}) => {
    const entry = entryOf(key);
    const own = entry.holders.find((holder) => holder.owner === owner);
    if (!own) return { status: 'lost' } as const;
    own.expiresAt = now() + ttlMs;
    change(own);
    settle(entry);
    return { status: 'renewed', validForMs: ttlMs } as const;
  };

  return {
    name: 'claims',
    capabilities: {
      fencing: true,
      fairness: 'fifo',
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: true,
      crossProcess: false,
      shared: true,
      permits: true,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 10 },
    },
    async tryAcquire(attempt) {
      const granted = ask(attempt);
      return 'status' in granted ? granted : { status: 'busy' };
    },
    async enqueue(attempt, signal) {
      signal.throwIfAborted();
      const granted = ask(attempt);
      if ('status' in granted) return granted;
      return wait(granted, attempt, signal);
    },
    renew: async ({ key, owner }, ttlMs) => prolong(key, owner, ttlMs),
    downgrade: async ({ key, owner }, ttlMs) =>
      prolong(key, owner, ttlMs, (own) => {
        own.claim = { mode: 'shared' };
      }),
    async release({ key, owner }) {
      const entry = entryOf(key);
      for (const waiter of entry.queue.filter(({ attempt }) => attempt.owner === owner)) rules.leave(entry, waiter);
      const holder = rules.released(entry.holders, owner);
      entry.holders = entry.holders.filter((each) => each !== holder);
      settle(entry);
      return holder ? 'released' : 'not-held';
    },
    async inspect(key) {
      const { holders, queue } = entryOf(key);
      const [first] = holders;
      if (!first) return undefined;
      const { owner, token, claim, expiresAt } = first;
      const about = { key, owner, remainingMs: expiresAt - now(), fencingToken: token, waiters: queue.length };
      return { ...about, mode: claim.mode, holders: holders.length, limit: limitOf(claim) };
    },
    async forceRelease(key: string, owner?: string) {
      const entry = entryOf(key);
      const kept = owner === undefined ? [] : entry.holders.filter((holder) => holder.owner !== owner);
      const isFreed = kept.length < entry.holders.length;
      entry.holders = kept;
      settle(entry);
      return isFreed;
    },
    close: async () => {},
  };

  function wait(entry: ClaimEntry, attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
    const { owner, claim = { mode: 'exclusive' } } = attempt;
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiter.gone = true;
        rules.leave(entry, waiter);
        settle(entry);
        reject(signal.reason);
      };
      const grant = (granted: Granted) => {
        signal.removeEventListener('abort', leave);
        resolve(granted);
      };
      const waiter: ClaimWaiter = { attempt, claim, calledAt: now(), grant, gone: false };
      const place = entry.queue.findIndex((each) => each.attempt.owner === owner);
      // Asked again, the owner has the place that it had; the newer call gets the answer, and the older one too.
      const earlier = entry.queue[place];
      if (earlier)
        waiter.grant = (granted) => {
          grant(granted);
          earlier.grant(granted);
        };
      if (earlier) entry.queue[place] = waiter;
      else entry.queue.push(waiter);
      signal.addEventListener('abort', leave, { once: true });
      settle(entry);
      attempt.onQueued?.();
    });
  }
}

const use = (claim: Claim): string =>
  claim.mode === 'permits' ? `as a semaphore of ${claim.limit} permits` : `as a lock (${claim.mode})`;

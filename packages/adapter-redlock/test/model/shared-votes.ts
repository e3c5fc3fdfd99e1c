import type { Claim } from '@holdfast/lock-core';
import type { Ballot, Vote } from '../../src/protocol/node.ts';
import type { StoreFaults } from './store.ts';

/** The votes of one node for readers, or for permits. */
export interface SharedVotes {
  vote(ballot: Ballot, highest: number, raise: (token: number) => number): Vote;
  /** What keeps a writer out. */
  inTheWay(): Vote | undefined;
  enter(owner: string, first: number, claim: Claim, until: number): void;
  renew(owner: string, first: number, ttlMs: number, exactly: boolean): boolean;
  /** Of that round, or of any. */
  withdraw(owner: string, first: number | undefined): boolean;
  forget(): void;
}

interface Standing {
  readonly first: number;
  readonly claim: Claim;
  until: number;
  token: number;
}

const permitsOf = (claim: Claim | undefined): number => (claim?.mode === 'permits' ? claim.permits : 0);

export function createSharedVotes(clock: () => number, faults: StoreFaults): SharedVotes {
  const votes = new Map<string, Standing>();

  function drop(): void {
    for (const [owner, { until }] of votes) if (until <= clock()) votes.delete(owner);
  }

  function inTheWay(): Vote | undefined {
    drop();
    const all = [...votes.values()];
    if (all.length === 0) return undefined;
    const holder = all[0]!.claim.mode === 'shared' ? '(shared)' : '(permits)';
    return { kind: 'held', holder, remainingMs: Math.min(...all.map(({ until }) => until)) - clock() };
  }

  return {
    inTheWay,
    vote({ owner, first, last, ttlMs, claim }, highest, raise) {
      drop();
      const own = votes.get(owner);
      if (own !== undefined && own.first > first && !faults.replacesLaterRounds)
        return { kind: 'low', highest: own.first };
      const isShared = claim?.mode === 'shared';
      if (own?.first === first) return isShared ? { kind: 'yes', token: own.token } : { kind: 'yes' };
      const used = [...votes.values()].reduce((sum, one) => sum + permitsOf(one.claim), 0);
      const fits = claim?.mode !== 'permits' || used + claim.permits <= claim.limit;
      if (own === undefined && !fits) return inTheWay()!;
      if (!isShared && first <= highest) return { kind: 'low', highest };
      const token = raise(last);
      const until = Math.max(own?.until ?? 0, clock() + ttlMs);
      votes.set(owner, { first, claim: claim!, until, token });
      return isShared ? { kind: 'yes', token } : { kind: 'yes' };
    },
    enter(owner, first, claim, until) {
      drop();
      votes.set(owner, { first, claim, until, token: first });
    },
    renew(owner, first, ttlMs, exactly) {
      drop();
      const own = votes.get(owner);
      if (own?.first !== first) return false;
      own.until = exactly ? clock() + ttlMs : Math.max(own.until, clock() + ttlMs);
      return true;
    },
    withdraw(owner, first) {
      drop();
      const own = votes.get(owner);
      return own !== undefined && (first === undefined || own.first === first) && votes.delete(owner);
    },
    forget: () => votes.clear(),
  };
}

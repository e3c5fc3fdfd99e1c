import type { Ballot, StandingVote, Vote } from '../../src/protocol/node.ts';
import { createSharedVotes } from './shared-votes.ts';

/** What a protocol with a known mistake does differently at a node. */
export interface StoreFaults {
  /** The node does not keep the token of the vote it gives. */
  readonly forgetsToken?: boolean;
  /** Withdrawing the votes of one round withdraws those of every round of the owner. */
  readonly releasesAnyRound?: boolean;
  /** A proposal that equals the highest token is accepted. */
  readonly acceptsEqualTokens?: boolean;
  /** A refresh sets the lease, also to a shorter one. */
  readonly refreshShortens?: boolean;
  /** A late request of an earlier round replaces the vote of a later one of the same owner. */
  readonly replacesLaterRounds?: boolean;
  /** A node votes for a reader beside a writer. */
  readonly readersBesideWriters?: boolean;
}

/** What a node remembers of one lock: the model of the scripts, and compared with them on a real server. */
export interface VoteStore {
  vote(ballot: Ballot): Vote;
  renew(vote: StandingVote, ttlMs: number): boolean;
  extend(vote: StandingVote, ttlMs: number): boolean;
  release(vote: StandingVote): boolean;
  withdraw(owner: string): boolean;
  /** The vote that stands, as other contenders are told of it. */
  readonly standing: string | undefined;
  /** Ends the vote that stands, as its TTL would. */
  lapse(): void;
  /** Loses everything. */
  forget(): void;
}

/** `now` is the node's own clock in ms, of which it uses whole ones, as Redis does. */
export function createVoteStore(now: () => number, faults: StoreFaults = {}): VoteStore {
  let standing: { owner: string; first: number; until: number } | undefined;
  let highest = 0;

  const clock = (): number => Math.floor(now());
  const others = createSharedVotes(clock, faults);
  const ofOthers = (claim: Ballot['claim']): boolean => claim !== undefined && claim.mode !== 'exclusive';

  /** A vote for a reader or for permits. */
  function voteBeside(ballot: Ballot): Vote {
    const held = current();
    const isBlocked = held !== undefined && !(faults.readersBesideWriters && ballot.claim?.mode === 'shared');
    if (isBlocked) return { kind: 'held', holder: `${held.owner}:${held.first}`, remainingMs: held.until - clock() };
    return others.vote(ballot, highest, (token) => {
      if (!faults.forgetsToken) highest = Math.max(highest, token);
      return highest;
    });
  }

  function current(): typeof standing {
    if (standing !== undefined && standing.until <= clock()) standing = undefined;
    return standing;
  }

  return {
    vote(ballot) {
      if (ofOthers(ballot.claim)) return voteBeside(ballot);
      const { owner, first, last, ttlMs } = ballot;
      const held = current();
      const beside = held === undefined ? others.inTheWay() : undefined;
      if (beside !== undefined) return beside;
      if (held !== undefined && held.owner === owner && held.first === first) return { kind: 'yes' };
      if (held !== undefined && held.owner !== owner) {
        return { kind: 'held', holder: `${held.owner}:${held.first}`, remainingMs: held.until - clock() };
      }
      if (held !== undefined && held.first > first && !faults.replacesLaterRounds)
        return { kind: 'low', highest: held.first };
      const tooLow = faults.acceptsEqualTokens ? first < highest : first <= highest;
      if (tooLow) return { kind: 'low', highest };
      if (!faults.forgetsToken) highest = last;
      standing = { owner, first, until: Math.max(held?.until ?? 0, clock() + ttlMs) };
      return { kind: 'yes' };
    },
    renew({ owner, first, claim }, ttlMs) {
      const held = current();
      if (ofOthers(claim)) {
        if (claim?.mode !== 'shared' || held?.owner !== owner || held.first !== first)
          return others.renew(owner, first, ttlMs, true);
        // The downgrade, or what is made good of it.
        standing = undefined;
        others.enter(owner, first, claim, clock() + ttlMs);
        return true;
      }
      if (held?.owner !== owner || held.first !== first) return false;
      held.until = clock() + ttlMs;
      return true;
    },
    extend({ owner, first, claim }, ttlMs) {
      const held = current();
      if (ofOthers(claim) && held?.owner !== owner) return others.renew(owner, first, ttlMs, false);
      if (held?.owner !== owner || held.first !== first) return false;
      held.until = faults.refreshShortens ? clock() + ttlMs : Math.max(held.until, clock() + ttlMs);
      return true;
    },
    release({ owner, first, claim }) {
      if (ofOthers(claim) && others.withdraw(owner, faults.releasesAnyRound ? undefined : first)) return true;
      const held = current();
      if (held?.owner !== owner || (held.first !== first && !faults.releasesAnyRound)) return false;
      standing = undefined;
      return true;
    },
    withdraw(owner) {
      if (others.withdraw(owner, undefined)) return true;
      if (current()?.owner !== owner) return false;
      standing = undefined;
      return true;
    },
    get standing() {
      const held = current();
      return held && `${held.owner}:${held.first}`;
    },
    lapse() {
      standing = undefined;
    },
    forget() {
      standing = undefined;
      others.forget();
      highest = 0;
    },
  };
}

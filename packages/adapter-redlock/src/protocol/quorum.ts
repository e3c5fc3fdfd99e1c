import { campaign, type GrantOutcome, type GrantRequest } from './acquire.ts';
import { ask, type Verdict } from './majority.ts';
import { type Electorate, type HeldVote, type StandingVote, validityMs } from './node.ts';
import { createClaims } from './owner-state.ts';
import { createProposals } from './token-proposals.ts';

/** Locks by majority. The one implementation of the algorithm, over real nodes and over simulated ones. */
export interface Quorum {
  /** Asks for the lock; by the owner that holds it: granted again, same tokens, fresh validity. */
  acquire(request: GrantRequest, done: (outcome: GrantOutcome) => void): void;
  /** Prolongs holds; for each true (for `validityMs(ttlMs)`), false (lost), or `undefined` (unknown). */
  renew(holds: readonly HeldVote[], ttlMs: number, done: (verdict: Verdict) => void): void;
  /** Takes back all votes of an owner, those under way included; whether a majority had one. */
  release(held: HeldVote, done: (verdict: Verdict) => void): void;
  /** How many owners are remembered. */
  readonly claims: number;
}

const [one, none]: readonly [readonly boolean[], readonly boolean[]] = [[true], [false]];

export function createQuorum(electorate: Electorate): Quorum {
  const { clock, nodeTimeoutMs } = electorate;
  const claims = createClaims(clock.now);
  const proposals = createProposals(clock);

  function renew(holds: readonly HeldVote[], ttlMs: number, done: (verdict: Verdict) => void): void {
    const startedAt = clock.now();
    const votes: StandingVote[] = holds.map(({ key, owner, first }) => ({
      key,
      owner,
      // No proposal is 0, so an owner that nobody knows has no vote.
      first: first ?? claims.find(key, owner)?.hold?.first ?? 0,
    }));
    ask(
      electorate,
      holds.length,
      Math.min(nodeTimeoutMs, ttlMs / 2),
      (node, _, answer) => node.renew(votes, ttlMs, answer),
      ({ items, errors }) => {
        // Counted from the send (H29).
        const validUntil = startedAt + validityMs(ttlMs);
        for (const [i, item] of items.entries()) remember(holds[i]!, item, validUntil);
        done({ items, errors });
      },
    );
  }

  function remember({ key, owner }: HeldVote, renewed: boolean | undefined, validUntil: number): void {
    const claim = claims.find(key, owner);
    if (claim?.hold === undefined || renewed === undefined) return;
    if (renewed) claim.hold.validUntil = Math.max(claim.hold.validUntil, validUntil);
    else {
      claim.hold = undefined;
      claims.tidy(claim);
    }
  }

  return {
    acquire: (request, done) => campaign({ electorate, claims, proposals, renew }, request, done),
    renew,
    release(held, done) {
      const claim = claims.find(held.key, held.owner);
      const vote = { ...held, first: held.first ?? claim?.hold?.first };
      const rounds = claim === undefined ? [] : [...claim.open];
      if (claim !== undefined) {
        claim.released = true;
        claim.hold = undefined;
        for (const round of rounds) round.close();
        claim.wake?.();
        claims.tidy(claim);
      }
      ask(
        electorate,
        1,
        nodeTimeoutMs,
        (node, i, answer) => {
          if (claim !== undefined && !claim.asked[i]) {
            answer(none);
            return true;
          }
          return node.withdraw(vote, (freed, error) => {
            if (freed !== true) for (const round of rounds) round.missed(i);
            answer(freed === undefined ? undefined : freed ? one : none, error);
          });
        },
        done,
      );
    },
    get claims() {
      return claims.size;
    },
  };
}

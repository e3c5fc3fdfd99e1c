import { acquireByMajority, type GrantOutcome, type GrantRequest } from './acquire.ts';
import { askMajority, type Verdict } from './majority.ts';
import { type HeldVote, type QuorumContext, type StandingVote, validityMs } from './node.ts';
import { createOwnerStates } from './owner-state.ts';
import { createTokenProposals } from './token-proposals.ts';

/** Locks by majority. The one implementation of the algorithm, over real nodes and over simulated ones. */
export interface Quorum {
  /** Asks for the lock; by the owner that holds it: granted again, same tokens, fresh validity. */
  acquire(request: GrantRequest, done: (outcome: GrantOutcome) => void): void;
  /** Prolongs holds; for each true (for `validityMs(ttlMs)`), false (lost), or `undefined` (unknown). */
  renew(holds: readonly HeldVote[], ttlMs: number, done: (verdict: Verdict) => void): void;
  /** Takes back all votes of an owner, those under way included; whether a majority had one. */
  release(held: HeldVote, done: (verdict: Verdict) => void): void;
  /** How many owners are remembered. */
  readonly owners: number;
}

const [one, none]: readonly [readonly boolean[], readonly boolean[]] = [[true], [false]];

export function createQuorum(context: QuorumContext): Quorum {
  const { clock, nodeTimeoutMs } = context;
  const owners = createOwnerStates(clock.now);
  const proposals = createTokenProposals(clock);

  function renew(holds: readonly HeldVote[], ttlMs: number, done: (verdict: Verdict) => void): void {
    const startedAt = clock.now();
    const votes: StandingVote[] = holds.map(({ key, owner, first }) => ({
      key,
      owner,
      // No proposal is 0, so an owner that nobody knows has no vote.
      first: first ?? owners.find(key, owner)?.hold?.first ?? 0,
    }));
    askMajority(
      context,
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
    const state = owners.find(key, owner);
    if (state?.hold === undefined || renewed === undefined) return;
    if (renewed) state.hold.validUntil = Math.max(state.hold.validUntil, validUntil);
    else {
      state.hold = undefined;
      owners.tidy(state);
    }
  }

  return {
    acquire: (request, done) => acquireByMajority({ context, owners, proposals, renew }, request, done),
    renew,
    release(held, done) {
      const state = owners.find(held.key, held.owner);
      const vote = { ...held, first: held.first ?? state?.hold?.first };
      const rounds = state === undefined ? [] : [...state.open];
      if (state !== undefined) {
        state.released = true;
        state.hold = undefined;
        for (const round of rounds) round.close();
        state.wake?.();
        owners.tidy(state);
      }
      askMajority(
        context,
        1,
        nodeTimeoutMs,
        (node, i, answer) => {
          if (state !== undefined && !state.asked[i]) {
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
    get owners() {
      return owners.size;
    },
  };
}

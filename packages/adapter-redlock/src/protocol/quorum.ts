import { type AcquireMeans, Acquisition, type GrantOutcome, type GrantRequest } from './acquire.ts';
import { askMajority, type Verdict } from './majority.ts';
import { type HeldVote, type QuorumContext, type StandingVote, validityMs } from './node.ts';
import { createOwnerStates, type OwnerState, type OwnerStates } from './owner-state.ts';
import { quorumFor } from './quorum-size.ts';
import { createTokenProposals } from './token-proposals.ts';

/** Locks by majority. The one implementation of the algorithm, over real nodes and over simulated ones. */
export interface Quorum {
  /** Asks for the lock; by the owner that holds it: granted again, same tokens, fresh validity. */
  acquire(request: GrantRequest, done: (outcome: GrantOutcome) => void): void;
  /** Renews holds; for each true (for `validityMs(ttlMs)`), false (lost), or `undefined` (unknown). */
  renew(holds: readonly HeldVote[], ttlMs: number, done: (verdict: Verdict) => void): void;
  /** Turns an exclusive hold into a shared one, or renews one that is shared. */
  downgrade(held: HeldVote, ttlMs: number, done: (verdict: Verdict) => void): void;
  /** Whether this owner has, or had, a hold that was granted as a shared one or downgraded. */
  isShared(key: string, owner: string): boolean;
  /** Withdraws all votes of an owner, those under way included, for good; whether a majority had one. */
  release(held: HeldVote, done: (verdict: Verdict) => void): void;
  /** Withdraws all votes of an owner, of whatever client; whether a majority had one. */
  forceRelease(held: HeldVote, done: (verdict: Verdict) => void): void;
  /** How many owners are remembered. */
  readonly owners: number;
}

const shared = { mode: 'shared' } as const;
const [one, none]: readonly [readonly boolean[], readonly boolean[]] = [[true], [false]];

export function createQuorum(context: QuorumContext): Quorum {
  const owners = createOwnerStates(context.clock.now);
  const proposals = createTokenProposals(context.clock);
  const means: AcquireMeans = {
    context,
    owners,
    proposals,
    extend: (hold, ttlMs, done) => extend(context, owners, hold, ttlMs, done),
  };
  return {
    acquire: (request, done) => new Acquisition(means, request, done).start(),
    renew: (holds, ttlMs, done) => renew(context, owners, holds, ttlMs, done),
    downgrade: (held, ttlMs, done) => renew(context, owners, [{ ...held, claim: shared }], ttlMs, done),
    isShared: (key, owner) => owners.find(key, owner)?.claim?.mode === 'shared',
    release: (held, done) => release(context, owners, held, done),
    // Of an owner of another client it is not known where it was asked for: a node that is away is asked once it is back.
    forceRelease: (held, done) =>
      withdrawAll(
        context,
        held,
        context.nodes.map(() => true),
        () => {},
        done,
      ),
    get owners() {
      return owners.size;
    },
  };
}

const timeoutMs = ({ nodeTimeoutMs }: QuorumContext, ttlMs: number): number => Math.min(nodeTimeoutMs, ttlMs / 2);

function extend(
  context: QuorumContext,
  owners: OwnerStates,
  vote: StandingVote,
  ttlMs: number,
  done: (verdict: Verdict) => void,
): void {
  const validUntil = context.clock.now() + validityMs(ttlMs);
  askMajority(
    context,
    [quorumFor(context, vote.claim)],
    timeoutMs(context, ttlMs),
    (node, _, answer) => node.extend(vote, ttlMs, answer),
    (verdict) => {
      const state = owners.find(vote.key, vote.owner);
      settle(owners, state, verdict.items[0], validUntil);
      done(verdict);
    },
  );
}

function renew(
  context: QuorumContext,
  owners: OwnerStates,
  holds: readonly HeldVote[],
  ttlMs: number,
  done: (verdict: Verdict) => void,
): void {
  // Counted from the send (H29). From then on nobody may rely on a lease that was longer before.
  const validUntil = context.clock.now() + validityMs(ttlMs);
  const states = holds.map(({ key, owner }) => owners.find(key, owner));
  for (const [i, state] of states.entries()) {
    if (state?.hold) state.hold.validUntil = Math.min(state.hold.validUntil, validUntil);
    // From now on, whatever becomes of the answers: a node that has it as exclusive still makes it a shared one.
    const { claim } = holds[i]!;
    if (state !== undefined && claim !== 'any' && claim?.mode === 'shared') state.claim = claim;
  }
  const votes = holds.map(
    ({ key, owner, claim, first }, i): StandingVote => ({
      key,
      owner,
      claim: claim === 'any' ? undefined : claim,
      // No proposal is 0, so an owner that nobody knows has no vote.
      first: first ?? states[i]?.hold?.first ?? 0,
    }),
  );
  askMajority(
    context,
    votes.map(({ claim }) => quorumFor(context, claim)),
    timeoutMs(context, ttlMs),
    (node, _, answer) => node.renew(votes, ttlMs, answer),
    (verdict) => {
      for (const [i, renewed] of verdict.items.entries()) {
        settle(owners, states[i], renewed, validUntil);
        // Nodes that still had the vote have now extended it, which would exclude others although nobody has the hold.
        if (renewed === false) withdrawRound(context, votes[i]!);
      }
      done(verdict);
    },
  );
}

function withdrawRound({ nodes }: QuorumContext, vote: StandingVote): void {
  if (vote.first > 0) for (const node of nodes) node.release(vote);
}

/** Takes in what a majority said of a hold. */
function settle(
  owners: OwnerStates,
  state: OwnerState | undefined,
  held: boolean | undefined,
  validUntil: number,
): void {
  if (state?.hold === undefined) return;
  if (held === false) {
    state.hold = undefined;
    owners.tidy(state);
  } else if (held) {
    state.hold.validUntil = Math.max(state.hold.validUntil, validUntil);
  }
}

function release(context: QuorumContext, owners: OwnerStates, held: HeldVote, done: (verdict: Verdict) => void): void {
  const state = owners.find(held.key, held.owner);
  const vote = { ...held, claim: state?.claim ?? held.claim, first: held.first ?? state?.hold?.first };
  const rounds = state === undefined ? [] : [...state.open];
  if (state !== undefined) {
    state.released = true;
    state.hold = undefined;
    for (const round of rounds) round.close();
    state.wake?.();
    owners.tidy(state);
  }
  const missed = (i: number, isKnown: boolean): void => {
    for (const round of rounds) round.missed(i, isKnown);
  };
  withdrawAll(context, vote, state?.asked, missed, done);
}

/** `asked` tells by node whether a vote was ever asked for, where that is known: only there one can stand. */
function withdrawAll(
  context: QuorumContext,
  vote: HeldVote,
  asked: readonly boolean[] | undefined,
  missed: (node: number, isKnown: boolean) => void,
  done: (verdict: Verdict) => void,
): void {
  askMajority(
    context,
    // Without these no claim has enough votes.
    [context.majority],
    context.nodeTimeoutMs,
    (node, i, answer) => {
      if (asked !== undefined && !asked[i]) {
        answer(none);
        return true;
      }
      return node.withdraw(vote, asked !== undefined, (freed, error) => {
        if (freed !== true) missed(i, freed === false);
        answer(freed === undefined ? undefined : freed ? one : none, error);
      });
    },
    done,
  );
}

import type { Verdict } from './majority.ts';
import { type HeldVote, type QuorumContext, validityMs } from './node.ts';
import type { GrantedHold, OwnerState, OwnerStates } from './owner-state.ts';
import { Round, type RoundEnd } from './round.ts';
import type { TokenProposals } from './token-proposals.ts';

/** What an owner asks for. */
export interface GrantRequest {
  readonly key: string;
  readonly owner: string;
  readonly ttlMs: number;
  readonly tokens: number;
}

export type GrantOutcome =
  /** `validForMs` counts from the call. */
  | {
      readonly kind: 'granted';
      readonly first: number;
      readonly tokens: number;
      readonly validForMs: number;
      /** How many other clients were seen waiting; looked for where several tokens are asked for. */
      readonly waiting: number;
    }
  | { readonly kind: 'busy'; readonly retryAfterMs: number | undefined }
  /** No repetition helps. */
  | { readonly kind: 'refused'; readonly error: unknown }
  | { readonly kind: 'failed'; readonly why: Failure };

/** Why there is no outcome. */
export type Failure =
  | { readonly kind: 'unreachable'; readonly answered: number; readonly errors: readonly unknown[] }
  | { readonly kind: 'released' };

interface Means {
  readonly context: QuorumContext;
  readonly owners: OwnerStates;
  readonly proposals: TokenProposals;
  renew(holds: readonly HeldVote[], ttlMs: number, done: (verdict: Verdict) => void): void;
}

// A split is resolved here, since all contenders would otherwise answer that the lock is busy, and it is free.
const longestSplitMs = 1_500;
const leastPauseMs = 8;
const longestPauseMs = 250;
const mostLowRounds = 8;

/**
 * One owner's way to the lock: rounds of votes, each with a proposal of its own, until one is won or another is seen to
 * have the majority. A split vote is tried again after a random pause (H31). One at a time per owner.
 */
export function acquireByMajority(means: Means, request: GrantRequest, done: (outcome: GrantOutcome) => void): void {
  const { context, owners, proposals } = means;
  const { clock, random } = context;
  const { key, owner, ttlMs } = request;
  const startedAt = clock.now();
  const state = owners.open(key, owner);
  let splits = 0;
  let lows = 0;

  function begin(): void {
    state.busy = true;
    if (state.released) return finish({ kind: 'failed', why: { kind: 'released' } });
    if (state.hold === undefined || state.hold.validUntil <= clock.now()) return vote();
    refresh(state.hold);
  }

  /** The owner asks again for what it has (H12, H13). */
  function refresh(hold: GrantedHold): void {
    const sentAt = clock.now();
    means.renew([{ key, owner, first: hold.first }], ttlMs, ({ items: [renewed], errors }) => {
      if (state.released) return finish({ kind: 'failed', why: { kind: 'released' } });
      // What a majority has no more is gone; what nobody knows stays as it is.
      if (renewed === false) return vote();
      if (renewed === undefined) return finish({ kind: 'failed', why: { kind: 'unreachable', answered: 0, errors } });
      finish(granted(hold, sentAt));
    });
  }

  function granted({ first, last, waiting }: GrantedHold, sentAt: number): GrantOutcome {
    // The votes count from when they were asked for, `validForMs` from the call (H28, H47); never more than the TTL.
    const validForMs = Math.min(validityMs(ttlMs) + sentAt - startedAt, ttlMs);
    return { kind: 'granted', first, tokens: last - first + 1, validForMs, waiting };
  }

  function vote(): void {
    const sentAt = clock.now();
    const first = proposals.next(request.tokens);
    const last = first + request.tokens - 1;
    const round: Round = new Round(
      context,
      { key, owner, first, last, ttlMs },
      (end) => counted(round, end, sentAt),
      () => settled(state, round),
    );
    state.open.push(round);
    round.start(state.asked);
  }

  function counted(round: Round, end: RoundEnd, sentAt: number): void {
    switch (end.kind) {
      case 'won':
        return won(round, sentAt);
      case 'held':
        return finish({ kind: 'busy', retryAfterMs: end.retryAfterMs });
      case 'low':
        proposals.saw(end.highest);
        lows += 1;
        return lows < mostLowRounds ? vote() : finish({ kind: 'busy', retryAfterMs: pauseMs(0) });
      case 'split':
        return split(clock.now() - sentAt);
      case 'refused':
        return finish(end);
      case 'unreachable':
        return finish({ kind: 'failed', why: end });
      case 'abandoned':
        return finish({ kind: 'failed', why: { kind: 'released' } });
    }
  }

  function won({ ballot: { first, last }, waiting }: Round, sentAt: number): void {
    state.hold = { first, last, waiting, validUntil: sentAt + validityMs(ttlMs) };
    finish(granted(state.hold, sentAt));
  }

  function split(roundMs: number): void {
    const waitMs = pauseMs(roundMs);
    splits += 1;
    if (clock.now() + waitMs - startedAt > Math.min(longestSplitMs, ttlMs / 4)) {
      return finish({ kind: 'busy', retryAfterMs: waitMs });
    }
    const next = (): void => {
      state.wake = undefined;
      if (state.released) finish({ kind: 'failed', why: { kind: 'released' } });
      else vote();
    };
    const cancel = clock.after(waitMs, next);
    state.wake = () => {
      cancel();
      next();
    };
  }

  /** Long enough that whoever comes first has all votes before the next one asks. */
  function pauseMs(roundMs: number): number {
    const spreadMs = Math.max(leastPauseMs, 2 * roundMs) * 2 ** splits;
    return 1 + random(Math.ceil(Math.min(spreadMs, longestPauseMs)));
  }

  function finish(outcome: GrantOutcome): void {
    state.busy = false;
    const next = state.queue.shift();
    if (next === undefined) owners.tidy(state);
    done(outcome);
    next?.();
  }

  function settled(of: OwnerState, round: Round): void {
    of.open.splice(of.open.indexOf(round), 1);
    owners.tidy(of);
  }

  if (state.busy || state.queue.length > 0) state.queue.push(begin);
  else begin();
}

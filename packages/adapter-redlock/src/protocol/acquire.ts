import type { Claim } from '@holdfast/lock-core';
import type { Verdict } from './majority.ts';
import { type OtherUse, type QuorumContext, type StandingVote, validityMs } from './node.ts';
import type { GrantedHold, OwnerState, OwnerStates } from './owner-state.ts';
import { Round, type RoundEnd } from './round.ts';
import { type TokenProposals, tokenLimit } from './token-proposals.ts';

/** What an owner asks for. */
export interface GrantRequest {
  readonly key: string;
  readonly owner: string;
  readonly ttlMs: number;
  readonly tokens: number;
  /** What it asks for; `undefined` means exclusive. */
  readonly claim?: Claim | undefined;
  /** Awaited before anything is sent; tells why nothing can be, if so. */
  readonly ready?: (() => Promise<Failure | undefined>) | undefined;
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
  /** `sent`: a node was asked for its vote, now or at an earlier request of the owner. */
  | { readonly kind: 'failed'; readonly why: Failure; readonly sent: boolean };

/** Why there is no outcome. */
export type Failure =
  /** Too few nodes answered; what the others said. */
  | { readonly kind: 'no-majority'; readonly errors: readonly unknown[] }
  /** No repetition helps. */
  | { readonly kind: 'refused'; readonly error: unknown }
  /** The nodes have seen a token so high that none above it can be given. */
  /** The key is in use in another way. */
  | { readonly kind: 'other-use'; readonly use: OtherUse }
  | { readonly kind: 'tokens-exhausted'; readonly highest: number }
  | { readonly kind: 'released' };

export interface AcquireMeans {
  readonly context: QuorumContext;
  readonly owners: OwnerStates;
  readonly proposals: TokenProposals;
  /** Extends a hold, and tells whether a majority still has it. */
  extend(hold: StandingVote, ttlMs: number, done: Done): void;
}

type Done = (verdict: Verdict) => void;

// A split is resolved here, since all contenders would otherwise answer that the lock is busy, and it is free.
const longestSplitMs = 1_500;
const leastPauseMs = 8;
const longestPauseMs = 250;
const mostLowRounds = 8;
// All permits may be held, by votes that are not the same on all nodes.
const mostPermitSplits = 3;
// An owner whose last request has no answer is asked for again, or released, long before.
const rememberedForMs = 60_000;

/**
 * One request of an owner for the lock: rounds of votes, each with a proposal of its own, until one is won or another owner
 * is seen to have the majority. A split vote is tried again after a random pause (H31). One at a time per owner.
 */
export class Acquisition {
  readonly #means: AcquireMeans;
  readonly #request: GrantRequest;
  readonly #done: (outcome: GrantOutcome) => void;
  readonly #startedAt: number;
  readonly #state: OwnerState;
  #splits = 0;
  #lows = 0;
  /** Rounds with answers outstanding, and whether some answer of one that has none says too little. */
  #open = 0;
  #inDoubt = false;
  /** Ends the wait for those answers, once the owner was released. */
  #stopWaiting: (() => void) | undefined;

  constructor(means: AcquireMeans, request: GrantRequest, done: (outcome: GrantOutcome) => void) {
    this.#means = means;
    this.#request = request;
    this.#done = done;
    this.#startedAt = means.context.clock.now();
    this.#state = means.owners.open(request.key, request.owner);
    this.#state.claim ??= request.claim;
  }

  /** Begins, once earlier requests of the same owner have ended. */
  start(): void {
    const state = this.#state;
    if (state.busy || state.queue.length > 0) state.queue.push(() => this.#begin());
    else this.#begin();
  }

  #begin(): void {
    const state = this.#state;
    const { ready } = this.#request;
    state.busy = true;
    if (ready === undefined) return this.#ask();
    ready().then(
      (why) => (why === undefined ? this.#ask() : this.#fail(why)),
      (error) => this.#fail({ kind: 'refused', error }),
    );
  }

  #ask(): void {
    const { released, refused, hold } = this.#state;
    if (released) return this.#fail({ kind: 'released' });
    // Its votes are being withdrawn; the caller asks again with another owner.
    if (refused) return this.#finish({ kind: 'busy', retryAfterMs: undefined });
    if (hold === undefined || hold.validUntil <= this.#means.context.clock.now()) this.#vote();
    else this.#refresh(hold);
  }

  /** The owner asks again for what it has (H12, H13). */
  #refresh(hold: GrantedHold): void {
    const { key, owner, ttlMs } = this.#request;
    // It may have been downgraded since this request.
    const { claim } = this.#state;
    const sentAt = this.#means.context.clock.now();
    this.#means.extend({ key, owner, claim, first: hold.first }, ttlMs, ({ items: [held], errors }) => {
      if (this.#state.released) return this.#fail({ kind: 'released' });
      // If a majority no longer has the hold, vote again; an unknown outcome changes nothing.
      if (held === false) return this.#vote();
      if (held === undefined) return this.#fail({ kind: 'no-majority', errors });
      this.#finish(this.#granted(hold, sentAt));
    });
  }

  #granted({ first, last, token, waiting, validUntil }: GrantedHold, sentAt: number): GrantOutcome {
    const { ttlMs } = this.#request;
    // The votes count from when they were asked for, `validForMs` from the call (H28, H47); never more than the TTL.
    const end = Math.min(validUntil, sentAt + validityMs(ttlMs));
    const validForMs = Math.min(end - this.#startedAt, ttlMs);
    const tokens = token === undefined ? last - first + 1 : 1;
    return { kind: 'granted', first: token ?? first, tokens, validForMs, waiting };
  }

  /** `above`: a token that the nodes have seen; `atLeast`: one that the nodes are to have after a shared vote. */
  #vote(above = 0, atLeast = 0): void {
    const { context, proposals, owners } = this.#means;
    const { key, owner, ttlMs, claim } = this.#request;
    const isShared = claim?.mode === 'shared';
    const tokens = isShared ? 1 : this.#request.tokens;
    const state = this.#state;
    const sentAt = context.clock.now();
    const first = proposals.next(tokens, Math.max(above, state.proposed));
    const last = first + tokens - 1;
    if (last >= tokenLimit) return this.#fail({ kind: 'tokens-exhausted', highest: first - 1 });
    state.proposed = last;
    const round: Round = new Round(
      context,
      { key, owner, claim, first, last: isShared ? atLeast : last, ttlMs },
      (end) => this.#counted(round, end, sentAt),
      () => {
        state.open.splice(state.open.indexOf(round), 1);
        this.#open -= 1;
        this.#inDoubt ||= round.inDoubt;
        if (this.#open === 0 && this.#stopWaiting !== undefined) this.#endReleased();
        owners.tidy(state);
      },
    );
    state.open.push(round);
    this.#open += 1;
    round.start(state.asked);
  }

  #counted(round: Round, end: RoundEnd, sentAt: number): void {
    const { clock } = this.#means.context;
    switch (end.kind) {
      case 'won':
        return this.#won(round, sentAt);
      case 'held':
        return this.#finish({ kind: 'busy', retryAfterMs: end.retryAfterMs });
      case 'low':
        return this.#low(end.highest);
      case 'uneven':
        return this.#again(() => this.#vote(0, end.highest));
      case 'split':
        return this.#split(clock.now() - sentAt, end);
      case 'other-use':
        return this.#fail(end);
      case 'no-majority':
        return this.#fail(end);
      case 'abandoned':
        return this.#released();
    }
  }

  /** The owner was released meanwhile. Its votes are being withdrawn: once all are known, nothing of it can come in later. */
  #released(): void {
    const { clock, nodeTimeoutMs } = this.#means.context;
    this.#stopWaiting = clock.after(nodeTimeoutMs, () => this.#endReleased());
    if (this.#open === 0) this.#endReleased();
  }

  #endReleased(): void {
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    if (this.#open > 0 || this.#inDoubt) this.#fail({ kind: 'released' });
    else this.#finish({ kind: 'busy', retryAfterMs: undefined });
  }

  #won({ ballot: { first, last, ttlMs }, token, waiting }: Round, sentAt: number): void {
    const hold = { first, last, token, waiting, validUntil: sentAt + validityMs(ttlMs) };
    this.#state.hold = hold;
    this.#finish(this.#granted(hold, sentAt));
  }

  #low(highest: number): void {
    // Only here is it remembered what was proposed above the clock.
    if (!this.#means.proposals.saw(highest)) this.#remember();
    this.#again(() => this.#vote(highest));
  }

  #again(vote: () => void): void {
    this.#lows += 1;
    if (this.#lows < mostLowRounds) vote();
    else this.#finish({ kind: 'busy', retryAfterMs: this.#pauseMs(0) });
  }

  #split(roundMs: number, { mayBeHeld, retryAfterMs }: Extract<RoundEnd, { kind: 'split' }>): void {
    const { clock } = this.#means.context;
    const state = this.#state;
    const waitMs = this.#pauseMs(roundMs);
    this.#splits += 1;
    if (mayBeHeld && this.#splits > mostPermitSplits)
      return this.#finish({ kind: 'busy', retryAfterMs: retryAfterMs ?? waitMs });
    if (clock.now() + waitMs - this.#startedAt > Math.min(longestSplitMs, this.#request.ttlMs / 4)) {
      return this.#finish({ kind: 'busy', retryAfterMs: waitMs });
    }
    const next = (): void => {
      state.wake = undefined;
      if (state.released) this.#released();
      else this.#vote();
    };
    const cancel = clock.after(waitMs, next);
    state.wake = () => {
      cancel();
      next();
    };
  }

  /** Long enough that the first contender has all votes before the next one asks. */
  #pauseMs(roundMs: number): number {
    const spreadMs = Math.max(leastPauseMs, 2 * roundMs) * 2 ** this.#splits;
    return 1 + this.#means.context.random(Math.ceil(Math.min(spreadMs, longestPauseMs)));
  }

  #fail(why: Failure): void {
    const sent = this.#state.asked.includes(true);
    // It may be asked for again under this owner, and is released in the end: until then the nodes that were asked are known.
    if (sent) this.#remember();
    this.#finish({ kind: 'failed', why, sent });
  }

  #remember(): void {
    this.#state.keepUntil = this.#means.context.clock.now() + this.#request.ttlMs + rememberedForMs;
  }

  #finish(outcome: GrantOutcome): void {
    const state = this.#state;
    state.busy = false;
    if (outcome.kind === 'busy') state.refused = state.queue.length > 0 || state.keepUntil > 0;
    const next = state.queue.shift();
    if (next === undefined) this.#means.owners.tidy(state);
    this.#done(outcome);
    next?.();
  }
}

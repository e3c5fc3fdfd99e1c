import type { Ballot, OtherUse, QuorumContext, Vote } from './node.ts';
import { quorumFor } from './quorum-size.ts';

// Further apart, clocks cannot be: see token-proposals.ts.
const farAheadMicros = 86_400_000_000;

/** How a round of votes ended. After all but `won` the votes are being withdrawn. */
export type RoundEnd =
  | { readonly kind: 'won' }
  /** Another has the majority, or may have it: what stands may then be given back at any time, so no time is told. */
  | { readonly kind: 'held'; readonly retryAfterMs: number | undefined }
  /** The proposed token was too low; a round with one above `highest` may win. */
  | { readonly kind: 'low'; readonly highest: number }
  /** The nodes that voted for a shared lock have seen different tokens: a round that raises all to `highest` may win. */
  | { readonly kind: 'uneven'; readonly highest: number }
  /** Nobody has enough votes: several contenders have some each. Of permits it is possible that all are held all the same. */
  | { readonly kind: 'split'; readonly mayBeHeld?: boolean; readonly retryAfterMs?: number | undefined }
  /** A majority has the key in use in another way. */
  | { readonly kind: 'other-use'; readonly use: OtherUse }
  /** Too few nodes answered, or too many refused. */
  | { readonly kind: 'no-majority'; readonly errors: readonly unknown[] }
  /** The owner gave up. */
  | { readonly kind: 'abandoned' };

/**
 * One round of votes. All nodes are asked at once, and the majority decides as soon as there is one: slow nodes are not
 * waited for (H33). When it cannot be won any more, every node that may have voted is released at once, answered or not,
 * and again when a late answer says that it did (H15, H30).
 */
export class Round {
  readonly ballot: Ballot;
  /** Votes that have not been answered yet. */
  pending = 0;
  /** How many other clients a node has seen waiting. */
  waiting = 0;
  /** By node: whether a vote of this round may stand there. */
  readonly #mayStand: boolean[] = [];
  readonly #context: QuorumContext;
  #onEnd: ((end: RoundEnd) => void) | undefined;
  readonly #onSettled: () => void;
  #cancelTimer: () => void = () => {};
  #over = false;
  #closed = false;
  /** By node, once the owner is released: that came back empty, and the vote has come in late. */
  readonly #missed: boolean[] = [];
  readonly #late: boolean[] = [];
  /** By node: whether its vote has come in. */
  readonly #given: boolean[] = [];
  #yes = 0;
  /** How many votes win. */
  readonly #needed: number;
  /** The tokens of shared votes. */
  readonly #tokens: number[] = [];
  /** The token of a shared lock, once the round is won. */
  token: number | undefined;
  /** The highest tokens that nodes have seen, where the proposal was too low. */
  readonly #lows: number[] = [];
  readonly #holders: Extract<Vote, { kind: 'held' }>[] = [];
  readonly #errors: unknown[] = [];
  /** How many of the errors are refusals. */
  #refused = 0;
  /** Whether a node that was asked may have voted, and has not told. */
  inDoubt = false;

  /** `onEnd` is told the outcome, `onSettled` that no answer is outstanding; neither before the constructor has returned. */
  constructor(context: QuorumContext, ballot: Ballot, onEnd: (end: RoundEnd) => void, onSettled: () => void) {
    this.#context = context;
    this.ballot = ballot;
    this.#onEnd = onEnd;
    this.#needed = quorumFor(context, ballot.claim);
    this.#onSettled = onSettled;
  }

  /** Asks the nodes; `asked` notes which. */
  start(asked: boolean[]): void {
    const { nodes, nodeTimeoutMs, clock } = this.#context;
    this.#cancelTimer = clock.after(Math.min(nodeTimeoutMs, this.ballot.ttlMs / 2), () => this.#judge(true));
    for (let i = 0; i < nodes.length; i++) {
      const refusal = nodes[i]!.vote(this.ballot, (vote) => this.#take(i, vote));
      this.#mayStand[i] = refusal === undefined;
      if (refusal !== undefined) {
        this.#count(refusal);
        continue;
      }
      this.pending += 1;
      asked[i] = true;
    }
    // Without a question there is no answer to wait for.
    if (this.pending < this.#needed) this.#judge(this.pending === 0);
    if (this.pending === 0) this.#onSettled();
  }

  /** Ends the round: the owner was released. That withdraws the votes that came before it; `missed` sees to the others. */
  close(): void {
    this.#closed = true;
    this.#end({ kind: 'abandoned' });
  }

  /** The owner's release found no vote at node `i`, or failed there: one that comes in behind it is withdrawn by itself. */
  missed(i: number, isKnown: boolean): void {
    // Nobody else repeats a release that failed, once the request counts as refused.
    if (this.#late[i] || (!isKnown && this.#given[i])) this.#context.nodes[i]!.release(this.ballot);
    else this.#missed[i] = true;
    this.#late[i] = false;
  }

  #take(i: number, vote: Vote): void {
    this.pending -= 1;
    if (vote.kind === 'yes') this.#given[i] = true;
    this.#count(vote);
    if (vote.kind !== 'yes' && vote.kind !== 'failed') this.#mayStand[i] = false;
    else if (this.#over || this.#missed[i]) this.#context.nodes[i]!.release(this.ballot);
    else if (this.#closed) this.#late[i] = true;
    if (this.#onEnd !== undefined) this.#judge(this.pending === 0);
    if (this.pending === 0) this.#onSettled();
  }

  #count(vote: Vote): void {
    switch (vote.kind) {
      case 'yes':
        this.#yes += 1;
        this.waiting = Math.max(this.waiting, vote.waiting ?? 0);
        if (vote.token !== undefined) this.#tokens.push(vote.token);
        break;
      case 'held':
        this.#holders.push(vote);
        break;
      case 'low':
        this.#lows.push(vote.highest);
        break;
      case 'refused':
        this.#refused += 1;
        this.#errors.push(vote.error);
        break;
      case 'failed':
        this.inDoubt = true;
        this.#errors.push(vote.error);
        break;
      case 'unreachable':
        this.#errors.push(vote.error);
    }
  }

  /** Ends the round if its outcome is known; `last`: what has not been answered will not be. */
  #judge(last: boolean): void {
    if (this.#onEnd === undefined) return;
    if (this.#yes >= this.#needed && this.#agreeOnToken()) return this.#end({ kind: 'won' });
    if (!last && this.#yes + this.pending >= this.#needed && this.pending > 0) return;
    this.#giveUp();
    const end = this.#defeat(last);
    if (end !== undefined) this.#end(end);
  }

  /**
   * Finds the token of a shared lock: not below that of any grant before it, which a majority has stored, and such that every later majority
   * has a node with it (see SAFETY.md). False where too few have seen it yet.
   */
  #agreeOnToken(): boolean {
    if (this.ballot.claim?.mode !== 'shared') return true;
    const { nodes, majority } = this.#context;
    const spare = nodes.length - majority;
    const highestFirst = this.#tokens.sort((a, b) => b - a);
    const token = highestFirst[this.#yes - spare - 1] ?? 0;
    if (this.#tokens.filter((seen) => seen >= token).length <= spare) return false;
    this.token = token;
    return true;
  }

  /** Why the round cannot be won, as soon as that is clear. */
  #defeat(last: boolean): RoundEnd | undefined {
    const { majority, nodes } = this.#context;
    const needed = this.#needed;
    if (this.#yes >= needed) return { kind: 'uneven', highest: Math.max(...this.#tokens) };
    const otherUses = this.#holders.filter(({ otherUse }) => otherUse !== undefined);
    if (otherUses.length >= majority) return { kind: 'other-use', use: otherUses[0]!.otherUse! };
    const isPermits = this.ballot.claim?.mode === 'permits';
    const strongest = this.#mostVotes();
    // Some of the permits may be those of a round that is lost: a node that gave its vote says that they are not all held.
    if (strongest >= majority && !(isPermits && this.#yes > 0)) return this.#heldByAnother();
    const low = this.#lows.length;
    if (this.#yes + low >= needed) {
      const highest = this.#tokenToExceed();
      // A node that has not answered yet may spare the key a token that is absurdly far ahead.
      const awaitMore = !last && this.pending > 0 && highest > this.ballot.first + farAheadMicros;
      return awaitMore ? undefined : { kind: 'low', highest };
    }
    const spare = nodes.length - needed;
    const silent = last ? this.pending : 0;
    // A node that has not answered yet may still refuse, which says more.
    const mayBeRefused = !last && this.#refused <= spare && this.#refused + this.pending > spare;
    if (this.#errors.length + silent > spare && !mayBeRefused) return { kind: 'no-majority', errors: this.#errors };
    const unknown = this.pending + this.#errors.length;
    const mayBeLow = this.#yes + low + this.pending >= needed;
    if (!last && (mayBeLow || strongest + unknown >= majority)) return undefined;
    if (isPermits) return this.#permitsSplit();
    return strongest + unknown >= majority ? { kind: 'held', retryAfterMs: undefined } : { kind: 'split' };
  }

  /** Some nodes have given their votes, and others have no permits left: for a round that will be lost as well, or for good. */
  #permitsSplit(): Extract<RoundEnd, { kind: 'split' }> {
    const { claim } = this.ballot;
    const { nodes } = this.#context;
    const [permits, limit] = claim?.mode === 'permits' ? [claim.permits, claim.limit] : [1, 1];
    // As many permits as leave too few have their votes at some nodes: so many of them, at least, have none left.
    const left = limit - permits;
    const leastFull = (this.#needed * (left + 1) - nodes.length * left) / permits;
    const { retryAfterMs } = this.#heldByAnother();
    const mayBeHeld = this.#holders.length >= leastFull;
    return { kind: 'split', mayBeHeld, retryAfterMs: this.#yes === 0 ? retryAfterMs : undefined };
  }

  /** What a proposal has to exceed for a majority: a minority that has seen absurd tokens drives nobody's up. */
  #tokenToExceed(): number {
    const missing = this.#needed - this.#yes;
    return this.#lows.sort((a, b) => a - b)[Math.max(0, missing - 1)]!;
  }

  /** The number of votes of the contender that has most. */
  #mostVotes(): number {
    let most = 0;
    for (const { holder } of this.#holders) {
      most = Math.max(most, this.#holders.filter((other) => other.holder === holder).length);
    }
    return most;
  }

  /** Busy until so many of the other votes have expired that a majority is free. */
  #heldByAnother(): Extract<RoundEnd, { kind: 'held' }> {
    const missing = this.#needed - this.#yes - this.#lows.length;
    const byTime = this.#holders.map(({ remainingMs }) => remainingMs).sort((a, b) => a - b);
    const retryAfterMs = byTime[Math.max(0, missing - 1)];
    return { kind: 'held', retryAfterMs: retryAfterMs !== undefined && retryAfterMs >= 0 ? retryAfterMs : undefined };
  }

  #giveUp(): void {
    if (this.#over) return;
    this.#over = true;
    for (const [i, mayStand] of this.#mayStand.entries()) {
      if (mayStand) this.#context.nodes[i]!.release(this.ballot);
    }
  }

  #end(end: RoundEnd): void {
    const tell = this.#onEnd;
    this.#onEnd = undefined;
    this.#cancelTimer();
    tell?.(end);
  }
}

import type { Ballot, QuorumContext, Vote } from './node.ts';

/** How a round of votes ended. After all but `won` the votes are being taken back. */
export type RoundEnd =
  | { readonly kind: 'won' }
  /** Another has, or may have, the majority. */
  | { readonly kind: 'held'; readonly retryAfterMs: number | undefined }
  /** The proposed token was too low; a round with one above `highest` may win. */
  | { readonly kind: 'low'; readonly highest: number }
  /** Nobody has the majority: several contenders have some votes each. */
  | { readonly kind: 'split' }
  /** Too many nodes refuse for good. */
  | { readonly kind: 'refused'; readonly error: unknown }
  /** Too few nodes answered. */
  | { readonly kind: 'unreachable'; readonly answered: number; readonly errors: readonly unknown[] }
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
  #yes = 0;
  #low = 0;
  #highest = 0;
  readonly #holders: { readonly holder: string; readonly remainingMs: number }[] = [];
  #refusal: unknown;
  #refused = 0;
  readonly #errors: unknown[] = [];

  /** `onEnd` is told the outcome, `onSettled` that no answer is outstanding; neither before the constructor has returned. */
  constructor(context: QuorumContext, ballot: Ballot, onEnd: (end: RoundEnd) => void, onSettled: () => void) {
    this.#context = context;
    this.ballot = ballot;
    this.#onEnd = onEnd;
    this.#onSettled = onSettled;
  }

  /** Asks the nodes; `asked` notes which. */
  start(asked: boolean[]): void {
    const { nodes, nodeTimeoutMs, clock } = this.#context;
    this.#cancelTimer = clock.after(Math.min(nodeTimeoutMs, this.ballot.ttlMs / 2), () => this.#judge(true));
    for (let i = 0; i < nodes.length; i++) {
      this.pending += 1;
      this.#mayStand[i] = true;
      if (nodes[i]!.vote(this.ballot, (vote) => this.#take(i, vote))) {
        asked[i] = true;
      } else {
        this.pending -= 1;
        this.#mayStand[i] = false;
        this.#errors.push(undefined);
      }
    }
    // Without a question there is no answer to wait for.
    if (this.pending < this.#context.majority) this.#judge(this.pending === 0);
    if (this.pending === 0) this.#onSettled();
  }

  /** Ends the round: the owner was released. That takes the votes back that came before it; `missed` sees to the others. */
  close(): void {
    this.#closed = true;
    this.#end({ kind: 'abandoned' });
  }

  /** The owner's release found no vote at node `i`, or failed there: one that comes in behind it is taken back by itself. */
  missed(i: number): void {
    if (this.#late[i]) this.#context.nodes[i]!.release(this.ballot);
    else this.#missed[i] = true;
    this.#late[i] = false;
  }

  #take(i: number, vote: Vote): void {
    this.pending -= 1;
    switch (vote.kind) {
      case 'yes':
        this.#yes += 1;
        this.waiting = Math.max(this.waiting, vote.waiting ?? 0);
        break;
      case 'held':
        this.#holders.push(vote);
        break;
      case 'low':
        this.#low += 1;
        this.#highest = Math.max(this.#highest, vote.highest);
        break;
      case 'refused':
        this.#refused += 1;
        this.#refusal ??= vote.error;
        break;
      case 'failed':
        this.#errors.push(vote.error);
    }
    if (vote.kind !== 'yes' && vote.kind !== 'failed') this.#mayStand[i] = false;
    else if (this.#over || this.#missed[i]) this.#context.nodes[i]!.release(this.ballot);
    else if (this.#closed) this.#late[i] = true;
    if (this.#onEnd !== undefined) this.#judge(this.pending === 0);
    if (this.pending === 0) this.#onSettled();
  }

  /** Looks whether the outcome is known; `last`: what has not been answered will not be. */
  #judge(last: boolean): void {
    if (this.#onEnd === undefined) return;
    const { majority } = this.#context;
    if (this.#yes >= majority) return this.#end({ kind: 'won' });
    if (!last && this.#yes + this.pending >= majority) return;
    this.#giveUp();
    const end = this.#defeat(last);
    if (end !== undefined) this.#end(end);
  }

  /** Why the round cannot be won, as soon as that is clear. */
  #defeat(last: boolean): RoundEnd | undefined {
    const { majority, nodes } = this.#context;
    const held = this.#holders.length;
    const strongest = this.#mostVotes();
    if (strongest >= majority) return this.#heldByAnother();
    if (this.#yes + this.#low >= majority) return { kind: 'low', highest: this.#highest };
    const spare = nodes.length - majority;
    if (this.#refused > spare) return { kind: 'refused', error: this.#refusal };
    const answered = this.#yes + this.#low + held;
    const silent = last ? this.pending : 0;
    if (this.#refused + this.#errors.length + silent > spare) {
      return { kind: 'unreachable', answered, errors: this.#errors };
    }
    const unknown = this.pending + this.#errors.length;
    const mayBeLow = this.#yes + this.#low + this.pending >= majority;
    if (!last && (mayBeLow || strongest + unknown >= majority)) return undefined;
    return strongest + unknown >= majority ? this.#heldByAnother() : { kind: 'split' };
  }

  /** The number of votes of the contender who has most. */
  #mostVotes(): number {
    let most = 0;
    for (const { holder } of this.#holders) {
      most = Math.max(most, this.#holders.filter((other) => other.holder === holder).length);
    }
    return most;
  }

  /** Busy until so many of the other votes have expired that a majority is free. */
  #heldByAnother(): RoundEnd {
    const missing = this.#context.majority - this.#yes - this.#low;
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

import type { Claim } from '@holdfast/lock-core';

/**
 * What the algorithm asks of one of the independent nodes. Each request is answered at most once, perhaps late, perhaps
 * never, and never before the method that sends it has returned.
 */
export interface QuorumNode {
  /**
   * Asks for the node's vote for an owner under a proposed fencing token. Gives a vote by itself, and sends and answers nothing,
   * where the node cannot or must not be asked now.
   */
  vote(ballot: Ballot, answer: (vote: Vote) => void): NotAsked | undefined;
  /**
   * Sets the remaining time of the votes that still stand there; `undefined` when that is not known. Returns false, and sends
   * and answers nothing, where the node cannot be asked now. So do the methods below.
   */
  renew(votes: readonly StandingVote[], ttlMs: number, answer: Answer<readonly boolean[]>): boolean;
  /** Extends one vote that still stands there to at least `ttlMs`; never shortens it. */
  extend(vote: StandingVote, ttlMs: number, answer: Answer<readonly boolean[]>): boolean;
  /** Withdraws one vote, of one round, now or as soon as the node can be asked. Only for votes that were asked for. */
  release(vote: StandingVote): void;
  /**
   * Withdraws the vote of an owner, of whatever round; knowing `first` makes it cheaper. With `mayStand`, a node that cannot
   * be asked now is asked as soon as it can be.
   */
  withdraw(held: HeldVote, mayStand: boolean, answer: Answer<boolean>): boolean;
}

/** The answer, or `undefined` and the reason why there is none: the request may or may not have had its effect. */
export type Answer<T> = (result: T | undefined, error?: unknown) => void;

/** A request for votes: the same for all nodes in one round, and never used for a second one. */
export interface Ballot {
  readonly key: string;
  readonly owner: string;
  /** What it asks for; `undefined` means exclusive. */
  readonly claim?: Claim | undefined;
  /**
   * The proposed fencing token; with those up to `last`, the block that is reserved for the hold. A shared vote proposes none: `first` is
   * the number of its round, and `last` a token that the node is to have at least.
   */
  readonly first: number;
  readonly last: number;
  readonly ttlMs: number;
}

/** A vote as it stands at a node. The proposal makes it one of a kind, whatever rounds the owner had. */
export type StandingVote = Pick<Ballot, 'key' | 'owner' | 'claim' | 'first'>;

/** One hold: with the first token of its block, or without where the caller does not know it. */
export interface HeldVote {
  readonly key: string;
  readonly owner: string;
  /** What it was granted for, as far as the caller knows; `undefined` means exclusive, and `any` what it may be. */
  readonly claim?: Claim | 'any' | undefined;
  readonly first: number | undefined;
  /** For `withdraw`: called before the answer with how many other clients were seen waiting, if any. */
  onWaiting?(others: number): void;
}

/** A node's answer to a ballot. All but `yes` and `failed` are definite: the node holds no vote for it. */
export type Vote =
  /**
   * `waiting`: how many other clients were seen waiting; looked for where a block of tokens is asked for. `token`, of a shared vote: the
   * highest that the node has seen.
   */
  | { readonly kind: 'yes'; readonly waiting?: number | undefined; readonly token?: number | undefined }
  /** Another has this node's vote; `holder` is the same for all votes of one round, and for all that are held together. */
  | {
      readonly kind: 'held';
      readonly holder: string;
      readonly remainingMs: number;
      readonly otherUse?: OtherUse | undefined;
    }
  /** The node has seen the token `highest`, which is not below the proposal. */
  | { readonly kind: 'low'; readonly highest: number }
  | NotAsked
  /** The node may or may not have voted. */
  | { readonly kind: 'failed'; readonly error: unknown };

/** The key is in use in another way: for permits with this limit, or without one as a lock. */
export interface OtherUse {
  readonly limit: number | undefined;
}

/** No vote, and none asked for. */
export type NotAsked =
  /** No repetition helps. */
  | { readonly kind: 'refused'; readonly error: unknown }
  /** Cannot be reached now; `error` says why, if that is known. */
  | { readonly kind: 'unreachable'; readonly error?: unknown };

/** Time, as the algorithm needs it. */
export interface QuorumClock {
  /** Monotonic ms. */
  now(): number;
  /** Wall-clock µs, for proposals only: no lease counts on it, and it may be wrong by any amount. */
  micros(): number;
  /** Calls back once after `ms`, when the answers that came in by then have been told; gives a function that cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** The nodes, and how they are dealt with. */
export interface QuorumContext {
  readonly nodes: readonly QuorumNode[];
  readonly majority: number;
  /** How many votes permits need; `undefined`: as few as are sound. */
  readonly permitQuorum?: number | undefined;
  readonly clock: QuorumClock;
  /** A random whole number from 0 to below `bound`. */
  readonly random: (bound: number) => number;
  /** How long to wait for answers without which there is no decision. */
  readonly nodeTimeoutMs: number;
}

/** More than half. */
export const majorityOf = (nodes: number): number => Math.floor(nodes / 2) + 1;

/**
 * For how long a hold counts that a majority has granted or renewed for `ttlMs`, from the moment before the first request was
 * sent: 1 % less for clocks that run at different speeds, and 2 ms for timers and for the servers' own precision (H28, H29).
 */
export const validityMs = (ttlMs: number): number => ttlMs - ttlMs * 0.01 - 2;

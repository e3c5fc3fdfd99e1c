/**
 * What the algorithm asks of one of the independent nodes. Each request is answered at most once, perhaps late, perhaps
 * never, and never before the method that sends it has returned. Who sends nothing returns false, and answers nothing.
 */
export interface QuorumNode {
  /** Asks for the node's vote for an owner under a proposed fencing token. */
  vote(ballot: Ballot, answer: (vote: Vote) => void): boolean;
  /** Prolongs the votes that still stand there; `undefined` when that is not known. */
  renew(votes: readonly StandingVote[], ttlMs: number, answer: Answer<readonly boolean[]>): boolean;
  /** Takes back one vote, of one round. */
  release(vote: StandingVote): void;
  /** Takes back the vote of an owner, of whatever round; knowing `first` makes it cheaper. */
  withdraw(held: HeldVote, answer: Answer<boolean>): boolean;
}

/** The answer, or `undefined` and the reason why there is none: the request may or may not have had its effect. */
export type Answer<T> = (result: T | undefined, error?: unknown) => void;

/** A request for votes: the same for all nodes in one round, and never used for a second one. */
export interface Ballot {
  readonly key: string;
  readonly owner: string;
  /** The proposed fencing token; with those up to `last`, the block that is reserved for the hold. */
  readonly first: number;
  readonly last: number;
  readonly ttlMs: number;
}

/** A vote as it stands at a node. The proposal makes it one of a kind, whatever rounds the owner had. */
export type StandingVote = Pick<Ballot, 'key' | 'owner' | 'first'>;

/** One hold: with the first token of its block, or without where the caller does not know it. */
export interface HeldVote {
  readonly key: string;
  readonly owner: string;
  readonly first: number | undefined;
  /** For `withdraw`: called before the answer with how many other clients were seen waiting, if any. */
  onWaiting?(others: number): void;
}

/** A node's answer to a ballot. All but `yes` and `failed` are definite: the node holds no vote for it. */
export type Vote =
  /** `waiting`: how many other clients were seen waiting; looked for where a block of tokens is asked for. */
  | { readonly kind: 'yes'; readonly waiting?: number | undefined }
  /** Another has this node's vote; `holder` is the same for all votes of one round. */
  | { readonly kind: 'held'; readonly holder: string; readonly remainingMs: number }
  /** The node has seen the token `highest`, which is not below the proposal. */
  | { readonly kind: 'low'; readonly highest: number }
  /** No repetition helps. */
  | { readonly kind: 'refused'; readonly error: unknown }
  /** The node may or may not have voted. */
  | { readonly kind: 'failed'; readonly error: unknown };

/** Time, as the algorithm needs it. */
export interface QuorumClock {
  /** Monotonic ms. */
  now(): number;
  /** Wall-clock µs, for proposals only: no lease counts on it. */
  micros(): number;
  /** Calls back once after `ms`, when the answers that came in by then have been told; gives a function that cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** The nodes, and how they are dealt with. */
export interface QuorumContext {
  readonly nodes: readonly QuorumNode[];
  readonly majority: number;
  readonly clock: QuorumClock;
  /** A random whole number from 0 to below `bound`. */
  readonly random: (bound: number) => number;
  /** How long to wait for answers without which there is no decision. */
  readonly nodeTimeoutMs: number;
}

/** More than half. */
export const majorityOf = (nodes: number): number => Math.floor(nodes / 2) + 1;

/**
 * For how long a hold counts that a majority has given or prolonged for `ttlMs`, from the moment before the first request was
 * sent: 1 % less for clocks that run at different speeds, and 2 ms for timers and for the servers' own precision (H28, H29).
 */
export const validityMs = (ttlMs: number): number => ttlMs - ttlMs * 0.01 - 2;

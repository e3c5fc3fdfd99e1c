import { isLockError, type LockAdapter } from '@holdfast/lock-core';
import {
  type LockKeys,
  lockKeys,
  type RedisClientBinding,
  redisLockAdapter,
  unexpectedReply,
} from '@holdfast/redis-protocol';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { brokenConnection, foreignData, nodeError } from './failures.ts';
import { createReleases, type Releases } from './pending-releases.ts';
import type { Answer, Ballot, HeldVote, NotAsked, QuorumNode, StandingVote, Vote } from './protocol/node.ts';
import type { NodeVote } from './replies.ts';
import { claimVotes, createRequests, exclusiveVotes, type Reply, type Requests, type Turn } from './requests.ts';
import { connectionOf, orAborted, type ServerIdentities } from './server-identity.ts';
import { readVotes } from './standing-votes.ts';
import {
  extendRequest,
  heldByReaders,
  isOfClaims,
  otherUseOf,
  ownerRequest,
  roundRequest,
  type VoteTerms,
  voteRequest,
  voteValue,
} from './vote-requests.ts';
import { createWriterMarks, type WriterMarks } from './writer-marks.ts';

const yes: Vote = { kind: 'yes' };
const unreachable: NotAsked = { kind: 'unreachable' };

/** How a node is asked for votes of one kind. */
interface Channel {
  readonly requests: Requests;
  readonly releases: Releases;
}

export interface RedisNodeOptions {
  readonly client: RedisClientBinding;
  /** From 0. */
  readonly index: number;
  readonly prefix: string;
  readonly fencing: boolean;
  readonly breaker: CircuitBreaker;
  readonly identities: ServerIdentities;
  /** Whether this process waits for a key. */
  readonly listens: (key: string) => boolean;
}

/** One Redis server of the quorum. */
export class RedisNode implements QuorumNode {
  /** The same server as a lock of its own, whose owner is what stands there as a vote. */
  readonly single: LockAdapter;
  readonly breaker: CircuitBreaker;
  readonly #options: RedisNodeOptions;
  readonly #client: RedisClientBinding;
  readonly #name: string;
  readonly #exclusive: Channel;
  readonly #claims: Channel;
  readonly #marks: WriterMarks;
  readonly #keysOf: (name: string) => LockKeys;

  constructor(options: RedisNodeOptions) {
    const { client, index, prefix, breaker } = options;
    this.#options = options;
    this.breaker = breaker;
    this.#client = client;
    this.#name = `Redlock node ${index + 1} (${client.name})`;
    this.single = redisLockAdapter(client, { prefix });
    const turn: Turn = {};
    const channel = (script: typeof exclusiveVotes): Channel => {
      const requests = createRequests(client, breaker, script, turn);
      const server = { isHere: () => this.#isHere(), whenHere: (signal: AbortSignal) => this.whenReady(signal) };
      return { requests, releases: createReleases(client, requests, breaker, server) };
    };
    this.#exclusive = channel(exclusiveVotes);
    this.#claims = channel(claimVotes);
    this.#marks = createWriterMarks(this.#claims.requests);
    this.#keysOf = lockKeys(prefix, client.keyPrefix);
  }

  /** Connected, to a server that is known. */
  get ready(): boolean {
    return this.#client.ready && this.#options.identities.known(this.#options.index);
  }

  /** Connected, to a server that is this node's alone. */
  #isHere(): boolean {
    const { identities, index } = this.#options;
    return this.ready && identities.refusal(index) === undefined;
  }

  /** A command in a client's offline queue would be sent after its caller gave up (H27). */
  get connected(): boolean {
    return this.#client.ready;
  }

  async whenReady(signal: AbortSignal): Promise<void> {
    const { identities, index } = this.#options;
    try {
      if (!this.#client.ready) await this.#client.whenReady(signal);
      if (!identities.known(index)) await orAborted(identities.check(index), signal);
    } catch (error) {
      throw this.error(error);
    }
    const refusal = identities.refusal(index);
    if (refusal !== undefined) throw refusal;
  }

  /** An error of this node, which it names. */
  error(error: unknown, key?: string): Error {
    return nodeError(this.#name, error, key);
  }

  #channel(claim: HeldVote['claim']): Channel {
    return isOfClaims(claim) ? this.#claims : this.#exclusive;
  }

  #terms(key: string): VoteTerms {
    const { fencing, listens } = this.#options;
    return { client: this.#client, keys: this.#keysOf(key), fencing, listens: listens(key) };
  }

  vote(ballot: Ballot, answer: (vote: Vote) => void): NotAsked | undefined {
    const refusal = this.#notAsked() ?? this.#missingRight(ballot);
    if (refusal !== undefined) return refusal;
    const sameServer = this.#serverWatch();
    const request = voteRequest(ballot, this.#terms(ballot.key));
    this.#channel(ballot.claim).requests.add(request, (reply, error) => {
      answer(this.#readVote(ballot, reply, error, sameServer));
    });
    return undefined;
  }

  #readVote(ballot: Ballot, reply: Parameters<Reply>[0], error: unknown, sameServer: () => boolean): Vote {
    const { key, claim } = ballot;
    const isShared = claim?.mode === 'shared';
    if (reply === undefined) return this.#failed(error, key);
    switch (reply.kind) {
      case 'count':
      case 'shared': {
        if (!sameServer()) return this.#failed(brokenConnection(), key);
        const isVote = reply.kind === 'shared' ? isShared : !isShared && reply.count > 0;
        if (!isVote) return this.#failed(unexpectedReply(reply, 'a request for a vote', this.#client.name), key);
        if (!isOfClaims(claim)) this.#marks.clear(this.#keysOf(key));
        if (reply.kind === 'shared') return { kind: 'yes', token: reply.token };
        return reply.count === 1 ? yes : { kind: 'yes', waiting: reply.count - 1 };
      }
      case 'held':
        if (reply.holder === heldByReaders && !isOfClaims(claim) && this.#options.listens(key)) {
          this.#marks.set(this.#keysOf(key));
        }
        return { ...reply, otherUse: otherUseOf(claim, reply.holder) };
      case 'low':
        return reply;
    }
    const keys = this.#keysOf(key);
    const redisKey = this.#client.keyPrefix + (reply.kind === 'fence' ? keys.fence : keys.lock);
    return { kind: 'refused', error: this.error(foreignData(key, redisKey, reply.kind)) };
  }

  /** Why nothing should be sent now. */
  #notAsked(): NotAsked | undefined {
    const { identities, index } = this.#options;
    if (!this.#client.ready) return unreachable;
    if (!identities.known(index)) {
      // The next round has it.
      identities.check(index).catch(() => {});
      return unreachable;
    }
    const error = identities.refusal(index);
    if (error !== undefined) return { kind: 'refused', error };
    return this.breaker.admits() ? undefined : unreachable;
  }

  /** What the user may not do that a vote of this kind needs. */
  #missingRight({ key, claim }: Pick<StandingVote, 'key' | 'claim'>): NotAsked | undefined {
    const { identities, index } = this.#options;
    const missing = identities.missingRight(index, isOfClaims(claim) ? 'amongOthers' : 'alone');
    return missing && { kind: 'refused', error: this.error(missing, key) };
  }

  /** Tells later whether an answer is of the server that is this node's: over a new connection it may be another node's. */
  #serverWatch(): () => boolean {
    const { identities } = this.#options;
    const { moves } = identities;
    const connection = connectionOf(this.#client);
    return () => moves === identities.moves && connection === connectionOf(this.#client);
  }

  #failed(error: unknown, key: string): Vote {
    const told = this.error(error, key);
    // An unexpected reply says nothing of the vote, which may stand; a server that refuses has none.
    const refused = isLockError(told) && !told.retryable && !isLockError(error);
    return { kind: refused ? 'refused' : 'failed', error: told };
  }

  renew(votes: readonly StandingVote[], ttlMs: number, answer: Answer<readonly boolean[]>): boolean {
    if (this.#notAsked() !== undefined) return false;
    if (isOfClaims(votes[0]?.claim)) {
      this.#renewClaims(votes, ttlMs, answer);
      return true;
    }
    const sameServer = this.#serverWatch();
    const holds = votes.map((vote) => ({ key: vote.key, owner: voteValue(vote) }));
    this.breaker.sent();
    this.single.renewMany!(holds, ttlMs)
      .finally(() => this.breaker.answered())
      .then(
        (outcomes) => {
          if (!sameServer()) answer(undefined, this.error(brokenConnection()));
          else answer(outcomes.map(({ status }) => status === 'renewed'));
        },
        (error) => answer(undefined, this.error(error)),
      );
    return true;
  }

  /** Renews votes one by one, of which those of one turn go out together. */
  #renewClaims(votes: readonly StandingVote[], ttlMs: number, answer: Answer<readonly boolean[]>): void {
    const renewed: boolean[] = [];
    let pending = votes.length;
    let failure: Error | undefined;
    for (const [i, vote] of votes.entries()) {
      this.#extendVote(vote, ttlMs, true, (result, error) => {
        pending -= 1;
        renewed[i] = result?.[0] ?? false;
        if (result === undefined) failure ??= error as Error;
        if (pending > 0) return;
        if (failure === undefined) answer(renewed);
        else answer(undefined, failure);
      });
    }
  }

  extend(vote: StandingVote, ttlMs: number, answer: Answer<readonly boolean[]>): boolean {
    if (this.#notAsked() !== undefined) return false;
    this.#extendVote(vote, ttlMs, false, answer);
    return true;
  }

  #extendVote(vote: StandingVote, ttlMs: number, exactly: boolean, answer: Answer<readonly boolean[]>): void {
    // A downgrade makes another vote of it.
    const missing = this.#missingRight(vote);
    if (missing !== undefined) return void Promise.resolve().then(() => answer(undefined, missing.error));
    const sameServer = this.#serverWatch();
    const request = extendRequest(vote, ttlMs, exactly, this.#keysOf(vote.key));
    this.#channel(vote.claim).requests.add(request, (reply, error) => {
      if (reply?.kind === 'count' && sameServer()) answer([reply.count > 0]);
      else answer(undefined, this.error(error ?? brokenConnection(), vote.key));
    });
  }

  release(vote: StandingVote): void {
    const request = roundRequest(vote, this.#keysOf(vote.key));
    const { releases } = this.#channel(vote.claim);
    if (this.#client.ready) releases.send(request, () => {});
    if (!this.#isHere()) releases.sendLater(request);
  }

  withdraw(held: HeldVote, mayStand: boolean, answer: Answer<boolean>): boolean {
    const { key, claim, onWaiting } = held;
    const request = ownerRequest(held, this.#terms(key));
    const { releases } = this.#channel(claim);
    // Over a new connection it may be sent to another server: then it is sent once more when that is known.
    if (mayStand && !this.#isHere()) releases.sendLater(request);
    if (!this.#client.ready || (!mayStand && this.breaker.silent)) return false;
    releases.send(request, (reply, error, resent) => {
      if (reply?.kind !== 'count') return answer(undefined, this.error(error ?? brokenConnection(), key));
      if (reply.count > 1) onWaiting?.(reply.count - 1);
      // The client may have sent it twice, and the first one may have withdrawn the vote (H14).
      if (reply.count === 0 && resent) answer(undefined, this.error(brokenConnection(), key));
      else answer(reply.count > 0);
    });
    return true;
  }

  /** The votes that stand here. */
  async votes(key: string): Promise<readonly NodeVote[]> {
    // Requests to a silent node would only pile up (H116).
    if (!this.breaker.admits()) throw this.error('it does not answer', key);
    const keys = this.#keysOf(key);
    this.breaker.sent();
    const reading = readVotes(this.#client, keys).finally(() => this.breaker.answered());
    const votes = await reading.catch((error: unknown) => {
      throw this.error(error, key);
    });
    if (votes === undefined) throw this.error(foreignData(key, this.#client.keyPrefix + keys.lock, 'foreign'));
    return votes;
  }

  async close(): Promise<void> {
    this.#exclusive.releases.close();
    this.#claims.releases.close();
    await this.single.close?.();
  }
}

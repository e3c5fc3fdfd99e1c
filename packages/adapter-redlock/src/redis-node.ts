import { isLockError, type LockAdapter } from '@holdfast/lock-core';
import {
  evalScript,
  type LockKeys,
  lockKeys,
  luaScript,
  type RedisClientBinding,
  redisLockAdapter,
  unexpectedReply,
} from '@holdfast/redis-protocol';
import type { CircuitBreaker } from './circuit-breaker.ts';
import { foreignData, nodeError } from './failures.ts';
import rollbackVoteSource from './lua/rollback-vote.lua';
import { createReleases, type Releases } from './pending-releases.ts';
import type { Answer, Ballot, HeldVote, NotAsked, QuorumNode, StandingVote, Vote } from './protocol/node.ts';
import { scriptReply } from './replies.ts';
import { createRequests, type NodeRequest, type Requests, setIfFree } from './requests.ts';
import { connectionOf, orAborted, type ServerIdentities } from './server-identity.ts';

const rollbackVoteScript = /* @__PURE__ */ luaScript(rollbackVoteSource);

/** What stands at a node as the owner of a vote: the round's own value, of the contract's owner and the proposed token. */
const voteValue = ({ owner, first }: Pick<StandingVote, 'owner' | 'first'>): string => `${owner}:${first}`;

const yes: Vote = { kind: 'yes' };
const unreachable: NotAsked = { kind: 'unreachable' };

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
  readonly #requests: Requests;
  readonly #releases: Releases;
  readonly #keysOf: (name: string) => LockKeys;

  constructor(options: RedisNodeOptions) {
    const { client, index, prefix, breaker } = options;
    this.#options = options;
    this.breaker = breaker;
    this.#client = client;
    this.#name = `Redlock node ${index + 1} (${client.name})`;
    this.single = redisLockAdapter(client, { prefix });
    this.#requests = createRequests(client, breaker);
    this.#releases = createReleases(client, this.#requests, breaker);
    this.#keysOf = lockKeys(prefix, client.keyPrefix);
  }

  /** Connected, to a server that is known. */
  get ready(): boolean {
    return this.#client.ready && this.#options.identities.known(this.#options.index);
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

  vote(ballot: Ballot, answer: (vote: Vote) => void): NotAsked | undefined {
    const refusal = this.#notAsked();
    if (refusal !== undefined) return refusal;
    const { key, owner, first, last, ttlMs } = ballot;
    const { fencing, listens } = this.#options;
    const keys = this.#keysOf(key);
    const ttl = String(ttlMs);
    // Only callers that want several tokens hand over inside their process, and ask whether other processes wait.
    const own = last === first ? '' : listens(key) ? '1' : '0';
    const request: NodeRequest = {
      keys,
      args: [owner, String(first), fencing ? String(last) : '', ttl, own],
      alone:
        fencing || own !== ''
          ? undefined
          : (read, fail) =>
              setIfFree(this.#client, [keys.lock, voteValue({ owner, first }), 'NX', 'PX', ttl], read, fail),
    };
    const sameServer = this.#serverWatch();
    this.#requests.add(request, (reply, error) => {
      if (reply?.kind === 'count' && !sameServer()) answer(this.#failed(brokenConnection(), key));
      else if (reply?.kind === 'count' && reply.count === 0) {
        answer(this.#failed(unexpectedReply(0, 'a request for a vote', this.#client.name), key));
      } else if (reply?.kind === 'count') answer(reply.count === 1 ? yes : { kind: 'yes', waiting: reply.count - 1 });
      else if (reply === undefined) answer(this.#failed(error, key));
      else if (reply.kind === 'held' || reply.kind === 'low') answer(reply);
      else {
        const which = reply.kind === 'fence' ? 'fence' : 'foreign';
        const redisKey = this.#client.keyPrefix + (which === 'fence' ? keys.fence : keys.lock);
        answer({ kind: 'refused', error: this.error(foreignData(key, redisKey, which)) });
      }
    });
    return undefined;
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

  extend({ key, owner, first }: StandingVote, ttlMs: number, answer: Answer<readonly boolean[]>): boolean {
    if (this.#notAsked() !== undefined) return false;
    const sameServer = this.#serverWatch();
    const args = [owner, String(first), 'extend', String(ttlMs), ''] as const;
    this.#requests.add({ keys: this.#keysOf(key), args }, (reply, error) => {
      if (reply?.kind === 'count' && sameServer()) answer([reply.count > 0]);
      else answer(undefined, this.error(error ?? brokenConnection(), key));
    });
    return true;
  }

  release({ key, owner, first }: StandingVote): void {
    const request: NodeRequest = { keys: this.#keysOf(key), args: [owner, String(first), '', 'round', ''] };
    if (this.#client.ready) this.#releases.send(request, () => {});
    else this.#releases.sendLater(request);
  }

  withdraw({ key, owner, first, onWaiting }: HeldVote, mayStand: boolean, answer: Answer<boolean>): boolean {
    const keys = this.#keysOf(key);
    const own = this.#options.listens(key) ? '1' : '0';
    const request: NodeRequest = {
      keys,
      args: [owner, String(first ?? ''), '', 'owner', own],
      alone:
        first === undefined
          ? undefined
          : (read, fail) => {
              const command = [rollbackVoteScript.sha, '1', keys.lock, voteValue({ owner, first }), own];
              void evalScript(this.#client, rollbackVoteScript, command, undefined, read, fail);
            },
    };
    if (!this.#client.ready || (!mayStand && this.breaker.silent)) {
      if (mayStand) this.#releases.sendLater(request);
      return false;
    }
    this.#releases.send(request, (reply, error, resent) => {
      if (reply?.kind !== 'count') return answer(undefined, this.error(error ?? brokenConnection(), key));
      if (reply.count > 1) onWaiting?.(reply.count - 1);
      // The client may have sent it twice, and the first one may have withdrawn the vote (H14).
      if (reply.count === 0 && resent) answer(undefined, this.error(brokenConnection(), key));
      else answer(reply.count > 0);
    });
    return true;
  }

  /** Withdraws the vote that stands now, whoever has it; whether there was one. */
  async forceRelease(key: string): Promise<boolean> {
    const info = await this.single.inspect!(key);
    if (info === undefined) return false;
    // By its exact value, so that a request that arrives twice frees nobody else (H112).
    const args = [rollbackVoteScript.sha, '1', this.#keysOf(key).lock, info.owner, '0'];
    const before = this.#client.resends;
    const rethrow = (error: unknown): never => {
      throw this.error(error, key);
    };
    const read = (answer: unknown) => scriptReply(answer, this.#client.name);
    const reply = await evalScript(this.#client, rollbackVoteScript, args, undefined, read, rethrow);
    if (reply.kind === 'error') return rethrow(new Error(reply.words));
    const freed = reply.kind === 'count' && reply.count > 0;
    if (!freed && this.#client.resends !== before) return rethrow(brokenConnection());
    return freed;
  }

  async close(): Promise<void> {
    this.#releases.close();
    await this.single.close?.();
  }
}

const brokenConnection = (): Error => new Error('the connection broke');

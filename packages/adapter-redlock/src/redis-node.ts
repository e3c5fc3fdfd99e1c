import { type LockAdapter, LockError } from '@holdfast/lock-core';
import {
  evalScript,
  type LockKeys,
  lockKeys,
  luaScript,
  type RedisClientBinding,
  redisLockAdapter,
} from '@holdfast/redis-protocol';
import type { CircuitBreaker } from './circuit-breaker.ts';
import rollbackVoteSource from './lua/rollback-vote.lua';
import { createPendingReleases } from './pending-releases.ts';
import type { Ballot, QuorumNode, StandingVote, Vote } from './protocol/node.ts';
import { createRequests, type NodeRequest, type Reply } from './requests.ts';

const rollbackVoteScript = /* @__PURE__ */ luaScript(rollbackVoteSource);

/** What stands at a node as the owner of a vote: the round's own value, of the contract's owner and the proposed token. */
const voteValue = ({ owner, first }: Pick<StandingVote, 'owner' | 'first'>): string => `${owner}:${first}`;

const yes: Vote = { kind: 'yes' };

/** One Redis server of the quorum. */
export interface RedisNode extends QuorumNode {
  /** The same server as a lock of its own, whose owner is what stands there as a vote. */
  readonly single: LockAdapter;
  readonly ready: boolean;
  whenReady(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * Binds the algorithm to one server. `admission` is awaited before a vote: true, or a promise until the node is known to be
 * one of its own (H35). `listens` tells whether this process waits for a key.
 */
export function redisNode(
  client: RedisClientBinding,
  prefix: string | undefined,
  fencing: boolean,
  breaker: CircuitBreaker,
  admission: () => true | Promise<void>,
  listens: (key: string) => boolean,
): RedisNode {
  const single = redisLockAdapter(client, { prefix });
  const requests = createRequests(client, breaker);
  const pending = createPendingReleases(client, (request) => sendRelease(request, () => {}));
  const keysOf = lockKeys(prefix ?? 'lock:', client.keyPrefix);

  async function explain(error: unknown, key: string): Promise<Vote> {
    // The server's answer to a plain look tells a refusal of the credentials from a failure that may pass.
    const refusal = client.ready ? await single.inspect?.(key).then(() => undefined, definite) : undefined;
    return refusal === undefined ? { kind: 'failed', error } : { kind: 'refused', error: refusal };
  }

  function voteOf(reply: unknown, key: string, keys: LockKeys): Vote | Promise<Vote> {
    if (reply === 1) return yes;
    if (typeof reply === 'number') return { kind: 'yes', waiting: reply - 1 };
    if (Array.isArray(reply)) return { kind: 'held', holder: String(reply[0]), remainingMs: Number(reply[1]) };
    const answer = String(reply);
    if (answer === 'foreign') return explain(undefined, key);
    if (answer === 'fence') return { kind: 'refused', error: corruptFence(key, client.keyPrefix + keys.fence) };
    return { kind: 'low', highest: Number(answer) };
  }

  function send({ key, owner, first, last, ttlMs }: Ballot, answer: (vote: Vote) => void): void {
    const keys = keysOf(key);
    const ttl = String(ttlMs);
    // Only who wants several tokens hands over inside its process, and asks whether other processes wait.
    const own = last === first ? '' : listens(key) ? '1' : '0';
    const request: NodeRequest = {
      keys,
      args: [owner, String(first), fencing ? String(last) : '', ttl, own],
      alone:
        fencing || own !== ''
          ? undefined
          : (read, fail) => {
              const command = [keys.lock, voteValue({ owner, first }), 'NX', 'PX', ttl];
              client.call('set', command).then(read, fail);
            },
    };
    requests.add(request, (reply, error) => {
      const vote = error === undefined ? voteOf(reply, key, keys) : explain(error, key);
      if (vote instanceof Promise) vote.then(answer, (failure) => answer({ kind: 'failed', error: failure }));
      else answer(vote);
    });
  }

  function sendRelease(request: NodeRequest, answer: Reply): void {
    requests.add(request, (reply, error, resent) => {
      if (error !== undefined) pending.owe(request, error);
      answer(reply, error, resent);
    });
  }

  async function renew(votes: readonly StandingVote[], ttlMs: number): Promise<boolean[]> {
    const holds = votes.map((vote) => ({ key: vote.key, owner: voteValue(vote) }));
    const outcomes = await single.renewMany!(holds, ttlMs);
    return outcomes.map(({ status }) => status === 'renewed');
  }

  return {
    single,
    vote(ballot, answer) {
      // A command in a client's offline queue would be sent after its caller gave up (H27).
      if (!client.ready || breaker.exhausted) return false;
      const admitted = admission();
      if (admitted === true) send(ballot, answer);
      else {
        admitted.then(
          () => send(ballot, answer),
          (error) => answer({ kind: 'failed', error }),
        );
      }
      return true;
    },
    renew(votes, ttlMs, answer) {
      if (!client.ready || breaker.exhausted) return false;
      breaker.sent();
      renew(votes, ttlMs)
        .finally(() => breaker.answered())
        .then(answer, (error) => answer(undefined, error));
      return true;
    },
    release({ key, owner, first }) {
      sendRelease({ keys: keysOf(key), args: [owner, String(first), '', 'round', ''] }, () => {});
    },
    withdraw({ key, owner, first, onWaiting }, answer) {
      const keys = keysOf(key);
      const own = listens(key) ? '1' : '0';
      const request: NodeRequest = {
        keys,
        args: [owner, String(first ?? ''), '', 'owner', own],
        alone:
          first === undefined
            ? undefined
            : (read, fail) => {
                const command = [rollbackVoteScript.sha, '1', keys.lock, voteValue({ owner, first }), own];
                void evalScript(client, rollbackVoteScript, command, undefined, read, fail);
              },
      };
      sendRelease(request, (reply, error, resent) => {
        if (error !== undefined) return answer(undefined, error);
        const others = Number(reply) - 1;
        if (others > 0) onWaiting?.(others);
        // The client may have sent it twice, and the first one may have taken the vote back (H14).
        if (others < 0 && resent) answer(undefined, new Error('the connection broke during the release'));
        else answer(others >= 0);
      });
      return true;
    },
    get ready() {
      return client.ready;
    },
    whenReady: (signal) => client.whenReady(signal),
    async close() {
      pending.close();
      await single.close?.();
    },
  };
}

function definite(error: unknown): unknown {
  return error instanceof LockError && !error.retryable ? error : undefined;
}

function corruptFence(key: string, redisKey: string): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `Redis key ${JSON.stringify(redisKey)} should hold the fencing tokens of this lock on a majority of the Redlock nodes, but ` +
      'holds something else; it was left untouched and no lock was granted. Find out who writes it, then delete it.',
    { key },
  );
}

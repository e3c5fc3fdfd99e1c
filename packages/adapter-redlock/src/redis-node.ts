import { type LockAdapter, LockError } from '@holdfast/lock-core';
import { type LockKeys, lockKeys, type RedisClientBinding, redisLockAdapter } from '@holdfast/redis-protocol';
import type { Patience } from './patience.ts';
import type { Ballot, QuorumNode, StandingVote, Vote } from './protocol/node.ts';
import { createRequests } from './requests.ts';

// A fence key outlives its lock by this much, so that a node's tokens rise even if the clients' clocks step back.
const fenceTtlMs = 30 * 24 * 3_600_000;

/** What stands at a node as the owner of a vote: the round's own value, of the contract's owner and the proposed token. */
const voteValue = ({ owner, first }: Pick<StandingVote, 'owner' | 'first'>): string => `${owner}:${first}`;

/** One Redis server of the quorum. */
export interface RedisNode extends QuorumNode {
  /** The same server as a lock of its own, whose owner is what stands there as a vote. */
  readonly single: LockAdapter;
  readonly ready: boolean;
  whenReady(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Binds the algorithm to one server. `admission` is awaited before a vote: true, or a promise until the node is known to be one of its own (H35). */
export function redisNode(
  client: RedisClientBinding,
  prefix: string | undefined,
  patience: Patience,
  admission: () => true | Promise<void>,
): RedisNode {
  const single = redisLockAdapter(client, { prefix });
  const requests = createRequests(client, patience);
  const keysOf = lockKeys(prefix ?? 'lock:', client.keyPrefix);

  async function explain(error: unknown, key: string): Promise<Vote> {
    // The server's answer to a plain look tells a refusal of the credentials from a failure that may pass.
    const refusal = client.ready ? await single.inspect?.(key).then(() => undefined, definite) : undefined;
    return refusal === undefined ? { kind: 'failed', error } : { kind: 'refused', error: refusal };
  }

  function voteOf(reply: unknown, key: string, keys: LockKeys): Vote | Promise<Vote> {
    if (reply === 1) return { kind: 'yes' };
    if (Array.isArray(reply)) return { kind: 'held', holder: String(reply[0]), remainingMs: Number(reply[1]) };
    const answer = String(reply);
    if (answer === 'foreign') return explain(undefined, key);
    if (answer === 'fence') return { kind: 'refused', error: foreignFence(key, client.keyPrefix + keys.fence) };
    return { kind: 'low', highest: Number(answer) };
  }

  function send({ key, owner, first, last, ttlMs }: Ballot, answer: (vote: Vote) => void): void {
    const keys = keysOf(key);
    const fenceTtl = String(Math.max(fenceTtlMs, 10 * ttlMs));
    requests.add(keys, [owner, String(first), String(last), String(ttlMs), fenceTtl], (reply, error) => {
      const vote = error === undefined ? voteOf(reply, key, keys) : explain(error, key);
      if (vote instanceof Promise) vote.then(answer, (failure) => answer({ kind: 'failed', error: failure }));
      else answer(vote);
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
      if (!client.ready || patience.exhausted) return false;
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
      if (!client.ready || patience.exhausted) return false;
      patience.sent();
      renew(votes, ttlMs)
        .finally(() => patience.answered())
        .then(answer, (error) => answer(undefined, error));
      return true;
    },
    release({ key, owner, first }) {
      requests.add(keysOf(key), [owner, String(first), '', 'round', ''], () => {});
    },
    withdraw(key, owner, answer) {
      requests.add(keysOf(key), [owner, '', '', 'owner', ''], (reply, error, resent) => {
        if (error !== undefined) answer(undefined, error);
        // The client may have sent it twice, and the first one may have taken the vote back (H14).
        else if (reply !== 1 && resent) answer(undefined, new Error('the connection broke during the release'));
        else answer(reply === 1);
      });
      return true;
    },
    get ready() {
      return client.ready;
    },
    whenReady: (signal) => client.whenReady(signal),
    close: async () => single.close?.(),
  };
}

function definite(error: unknown): unknown {
  return error instanceof LockError && !error.retryable ? error : undefined;
}

function foreignFence(key: string, redisKey: string): LockError {
  return new LockError(
    'LOCK_FOREIGN_KEY',
    `Redis key ${JSON.stringify(redisKey)} should hold the fencing tokens of this lock on a majority of the Redlock nodes, but ` +
      'holds something else; it was left untouched and no lock was granted. Find out who writes it, then delete it.',
    { key },
  );
}

import {
  type AcquireAttempt,
  type AcquireOutcome,
  type HoldRef,
  type LockAdapter,
  LockError,
  type LockInfo,
  type ReleaseOutcome,
  type RenewOutcome,
} from '@holdfast/lock-core';
import { corruptFence, foreignKey, readable } from './errors.ts';
import { type LockKeys, lockKeys } from './keys.ts';
import { keysPage } from './list.ts';
import { type RedisLockOptions, redisLockSettings } from './options.ts';
import type { RedisClientBinding } from './redis-client.ts';
import { createReleaseHints } from './release-hints.ts';
import { evalScript, runScript, scripts } from './scripts.ts';

const renewBatch = 100;

/**
 * The lock protocol of a Redis server, Cluster or Sentinel group over a client's binding. Needs Redis 6.2, a Cluster 7.0.
 *
 * A lock is one string key, `prefix + name`, whose value is the owner, set as `SET key owner NX PX ttl`: it excludes, and
 * is excluded by, any program that follows that convention.
 * @throws LockError LOCK_INVALID_ARGUMENT for a bad option.
 */
export function redisLockAdapter(client: RedisClientBinding, options: RedisLockOptions = {}): LockAdapter {
  const { prefix, fencing, waitReplicas, waitReplicasTimeoutMs } = redisLockSettings(options);
  const keysOf = lockKeys(prefix, client.keyPrefix);
  const hints = createReleaseHints(client);
  const publish = client.cluster ? 'SPUBLISH' : 'PUBLISH';
  const countWaiters = client.cluster ? 'SHARDNUMSUB' : 'NUMSUB';
  const channelOf = (keys: LockKeys): string => client.keyPrefix + keys.lock;
  const used = (keys: LockKeys): string[] => (fencing ? [keys.lock, keys.fence] : [keys.lock]);
  const foreign = (name: string, keys: LockKeys): LockError => foreignKey(name, channelOf(keys), client.name);

  function rethrow(error: unknown, name: string): never {
    throw readable(error, client.name, name);
  }

  function acquireOnce(attempt: AcquireAttempt): Promise<AcquireOutcome> {
    const { key, owner, ttlMs } = attempt;
    const keys = keysOf(key);
    if (fencing || attempt.tokens > 1) return acquireByScript(attempt, keys);
    return client.call('set', [keys.lock, owner, 'NX', 'PX', String(ttlMs)], keys.lock).then(
      // Not set may still mean that this owner has it already (H12).
      (reply) => (reply === null ? acquireByScript(attempt, keys) : { status: 'granted', validForMs: ttlMs }),
      (error) => rethrow(error, key),
    );
  }

  function acquireByScript(attempt: AcquireAttempt, keys: LockKeys): Promise<AcquireOutcome> {
    const { key, owner, ttlMs, tokens } = attempt;
    // Only who wants several tokens hands over inside its process, and asks whether other processes wait.
    const command = fencing
      ? [scripts.acquire.sha, '2', keys.lock, keys.fence, owner, String(ttlMs), String(tokens)]
      : [scripts.acquire.sha, '1', keys.lock, owner, String(ttlMs), String(tokens)];
    if (tokens > 1) command.push(countWaiters, hints.own(channelOf(keys)) ? '1' : '0');
    return evalScript(
      client,
      scripts.acquire,
      command,
      keys.lock,
      (reply) => {
        if (typeof reply === 'number') {
          return { status: 'busy', retryAfterMs: reply >= 0 ? reply : undefined };
        }
        const answer = String(reply);
        if (answer === 'foreign') throw foreign(key, keys);
        if (answer === 'fence') throw corruptFence(key, client.keyPrefix + keys.fence, client.name);
        // 'last count', and how many others wait.
        const [last = '', count, others] = answer.split(' ');
        const waiting = others === undefined ? undefined : Number(others);
        if (!fencing) return { status: 'granted', validForMs: ttlMs, waiting };
        const block = Number(count);
        return {
          status: 'granted',
          fencingToken: firstToken(last, block),
          tokens: block,
          validForMs: ttlMs,
          waiting,
        };
      },
      (error) => rethrow(error, key),
    );
  }

  /** A grant that too few replicas have is given back and counts as busy (H19). */
  async function acquireReplicated(attempt: AcquireAttempt): Promise<AcquireOutcome> {
    const before = client.resends;
    const outcome = await acquireOnce(attempt);
    if (outcome.status === 'busy') return outcome;
    const keys = keysOf(attempt.key);
    const replicas = await client
      .waitReplicas(keys.lock, waitReplicas, waitReplicasTimeoutMs)
      .catch((error: unknown) => rethrow(error, attempt.key));
    // WAIT counts for the writes of its own connection; over a new one it says nothing about the grant.
    if (client.resends !== before) throw unknownOutcome('the lock was acquired', attempt.key);
    if (replicas >= waitReplicas) return outcome;
    await release(attempt).catch((error: unknown) => {
      // A release that may still arrive would free a later hold of this owner, so the owner must not ask again.
      throw new LockError(
        'LOCK_BACKEND',
        `Only ${replicas} of ${waitReplicas} replicas had the lock, and giving it back to Redis (${client.name}) failed; ` +
          `it frees itself within ${attempt.ttlMs} ms.`,
        { key: attempt.key, cause: error, retryable: false },
      );
    });
    return { status: 'busy' };
  }

  const acquire = waitReplicas > 0 ? acquireReplicated : acquireOnce;

  function unknownOutcome(what: string, name: string): LockError {
    return new LockError(
      'LOCK_BACKEND',
      `The connection to Redis (${client.name}) broke while ${what}; the outcome is unknown.`,
      {
        key: name,
      },
    );
  }

  function release(hold: HoldRef): Promise<ReleaseOutcome> {
    const before = client.resends;
    const keys = keysOf(hold.key);
    return evalScript(
      client,
      scripts.release,
      [scripts.release.sha, '1', keys.lock, hold.owner, publish, countWaiters],
      keys.lock,
      (reply) => {
        const outcome = Number(reply);
        if (outcome > 1) hold.onWaiting?.(Math.max(0, outcome - 1 - (hints.own(channelOf(keys)) ? 1 : 0)));
        if (outcome > 0) return 'released';
        // The client may have sent this twice, and the first one may have released (H14).
        if (client.resends !== before) throw unknownOutcome('the lock was released', hold.key);
        if (outcome < 0) throw foreign(hold.key, keys);
        return 'not-held';
      },
      (error) => rethrow(error, hold.key),
    );
  }

  function renew(hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
    const keys = keysOf(hold.key);
    return evalScript(
      client,
      scripts.renew,
      [scripts.renew.sha, '1', keys.lock, String(ttlMs), listOf([hold.owner])],
      keys.lock,
      (reply) => {
        if (reply === '1') return { status: 'renewed', validForMs: ttlMs };
        if (reply === 'f') throw foreign(hold.key, keys);
        return { status: 'lost' };
      },
      (error) => rethrow(error, hold.key),
    );
  }

  /** Renews the holds from `begin` to `end`, and puts what became of each in its place. */
  function renewSome(
    holds: readonly HoldRef[],
    [begin, end]: readonly [number, number],
    ttlMs: number,
    outcomes: RenewOutcome[],
  ): Promise<void> {
    // Built in one go: for thousands of locks, making the command is most of what renewal costs.
    const command = [scripts.renew.sha, String(end - begin)];
    for (let i = begin; i < end; i += 1) command.push(keysOf(holds[i]!.key).lock);
    const owners: string[] = [];
    for (let i = begin; i < end; i += 1) owners.push(holds[i]!.owner);
    command.push(String(ttlMs), listOf(owners));
    const renewed: RenewOutcome = { status: 'renewed', validForMs: ttlMs };
    return evalScript(
      client,
      scripts.renew,
      command,
      undefined,
      (reply) => {
        const answers = String(reply);
        // A key that became something else is as lost as a deleted one.
        for (let i = 0; i < answers.length; i += 1)
          outcomes[begin + i] = answers[i] === '1' ? renewed : { status: 'lost' };
      },
      (error) => rethrow(error, holds[begin]!.key),
    );
  }

  async function renewMany(holds: readonly HoldRef[], ttlMs: number): Promise<RenewOutcome[]> {
    const outcomes: RenewOutcome[] = [];
    const batches: Promise<void>[] = [];
    for (let begin = 0; begin < holds.length; begin += renewBatch)
      batches.push(renewSome(holds, [begin, Math.min(begin + renewBatch, holds.length)], ttlMs, outcomes));
    await Promise.all(batches);
    return outcomes;
  }

  async function inspect(name: string): Promise<LockInfo | undefined> {
    const keys = keysOf(name);
    if (!client.ready) await client.whenReady();
    const reply = await runScript(client, scripts.inspect, used(keys), []).catch((error) => rethrow(error, name));
    if (!Array.isArray(reply)) throw foreign(name, keys);
    if (reply.length === 0) return undefined;
    const [owner, ttl, block] = reply;
    const [last, count] = String(block).split(' ');
    const remainingMs = Number(ttl);
    return {
      key: name,
      owner: String(owner),
      remainingMs: remainingMs >= 0 ? remainingMs : undefined,
      fencingToken: last && count ? firstToken(last, Number(count)) : undefined,
      waiters: undefined,
    };
  }

  async function forceRelease(name: string): Promise<boolean> {
    const keys = keysOf(name);
    const before = client.resends;
    const reply = await runScript(client, scripts.forceRelease, [keys.lock], [publish]).catch((error) =>
      rethrow(error, name),
    );
    const outcome = Number(reply);
    if (outcome === 1) return true;
    if (client.resends !== before) throw unknownOutcome('the lock was released', name);
    if (outcome < 0) throw foreign(name, keys);
    return false;
  }

  return {
    name: client.name,
    capabilities: {
      fencing,
      fairness: 'none',
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: false,
      crossProcess: true,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
    },
    tryAcquire: (attempt) =>
      client.ready ? acquire(attempt) : client.whenReady(attempt.signal).then(() => acquire(attempt)),
    renew,
    release,
    whenFree: (name, signal) => hints.whenFree(channelOf(keysOf(name)), signal).catch((error) => rethrow(error, name)),
    // On a cluster locks hardly share a slot, and one call must not wait for the slowest node: each is renewed by itself.
    ...(client.cluster ? {} : { renewMany }),
    inspect,
    keys: (cursor) => keysPage(client, prefix, cursor).catch((error) => rethrow(error, prefix)),
    forceRelease,
    async close() {
      hints.close();
      await client.close();
    },
  };
}

/** Texts as one argument. Half a surrogate pair goes to a server as U+FFFD, but JSON would keep it, as an escape that Redis refuses. */
function listOf(texts: readonly string[]): string {
  return JSON.stringify(texts.map((text) => (text as string & { toWellFormed(): string }).toWellFormed()));
}

/** Tokens stay below 2^53, so numbers are exact. */
function firstToken(last: string, count: number): bigint {
  return BigInt(Number(last) - count + 1);
}

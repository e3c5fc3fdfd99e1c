import { randomInt } from 'node:crypto';
import type {
  AcquireAttempt,
  AcquireOutcome,
  HoldRef,
  LockAdapter,
  LockInfo,
  ReleaseOutcome,
  RenewOutcome,
} from '@holdfast/lock-core';
import type { AnyRedisClient } from '@holdfast/redis-protocol';
import { createCircuitBreaker } from './circuit-breaker.ts';
import { redlockClock } from './clock.ts';
import { failedAcquire, noMajority } from './failures.ts';
import { majorityHints } from './hints.ts';
import { forceReleaseAll, inspectAll, keysOfEnough } from './inspect.ts';
import { type RedlockOptions, redlockSettings } from './options.ts';
import type { GrantOutcome } from './protocol/acquire.ts';
import { type HeldVote, majorityOf, type QuorumContext, validityMs } from './protocol/node.ts';
import { createQuorum } from './protocol/quorum.ts';
import { enoughReady, isReady } from './ready.ts';
import { type RedisNode, redisNode } from './redis-node.ts';
import { createServerIdentities } from './server-identity.ts';

const name = 'redlock';

// Below, a majority could hardly be asked before the lease is over.
const shortestTtlMs = 50;

/**
 * A lock adapter over 1 to 9 independent Redis servers, by majority: it works while more than half of them do. `clients` are
 * ioredis and node-redis clients in any mix, one per server.
 *
 * The Redlock algorithm of redis.io, with what it is criticised for lacking: a fencing token, proposed by the client and
 * accepted by a majority (see SAFETY.md). Closing the adapter leaves the clients open.
 * @throws LockError LOCK_INVALID_ARGUMENT for a bad option, for no or too many nodes, or, at the first use, for two nodes that
 * are one server.
 */
export function redlockAdapter(clients: readonly AnyRedisClient[], options: RedlockOptions = {}): LockAdapter {
  const { nodes: bindings, prefix, fencing, nodeTimeoutMs } = redlockSettings(clients, options);
  const count = bindings.length;
  const majority = majorityOf(count);
  const identities = createServerIdentities(bindings);
  const nodes: RedisNode[] = bindings.map((client, i) =>
    redisNode(
      client,
      prefix,
      fencing,
      createCircuitBreaker(redlockClock.now, nodeTimeoutMs),
      () => identities.check(i),
      (key) => hints.listens(key),
    ),
  );
  const context: QuorumContext = {
    nodes,
    majority,
    nodeTimeoutMs,
    clock: redlockClock,
    random: (bound) => randomInt(bound),
  };
  const quorum = createQuorum(context);
  const singles = nodes.map(({ single }) => single);
  const hints = majorityHints(singles, majority, redlockClock.now);
  let opened: Promise<void> | undefined;
  let usable = false;

  /** Before the first grant the nodes tell who they are; one that does not answer in time does so before its first vote. */
  async function open(): Promise<void> {
    const end = new AbortController();
    const cancel = redlockClock.after(nodeTimeoutMs, () => end.abort());
    const timeUp = new Promise<void>((resolve) => end.signal.addEventListener('abort', () => resolve()));
    const checks = nodes.map(async (node, i) => {
      if (!node.ready) await node.whenReady(end.signal);
      await identities.check(i);
    });
    await Promise.race([Promise.allSettled(checks), timeUp]);
    cancel();
    usable = true;
  }

  async function prepare(attempt: AcquireAttempt): Promise<void> {
    await enoughReady(nodes, majority, attempt.signal);
    if (usable) return;
    opened ??= open();
    await opened;
  }

  function acquire(attempt: AcquireAttempt): Promise<AcquireOutcome> {
    const { key, owner, tokens } = attempt;
    const ttlMs = Math.max(attempt.ttlMs, shortestTtlMs);
    return new Promise((resolve, reject) => {
      if (identities.duplicate !== undefined) return reject(identities.duplicate);
      quorum.acquire({ key, owner, ttlMs, tokens }, (outcome) => answer(outcome, key, resolve, reject));
    });
  }

  function answer(
    outcome: GrantOutcome,
    key: string,
    resolve: (outcome: AcquireOutcome) => void,
    reject: (error: unknown) => void,
  ): void {
    if (outcome.kind === 'granted') {
      const { first, tokens, validForMs } = outcome;
      // Others are looked for only where a block of tokens was asked for.
      const waiting = tokens > 1 ? outcome.waiting : undefined;
      const block = fencing ? { fencingToken: BigInt(first), tokens } : {};
      resolve({ status: 'granted', ...block, validForMs, waiting });
    } else if (outcome.kind === 'busy') resolve({ status: 'busy', retryAfterMs: outcome.retryAfterMs });
    else reject(outcome.kind === 'refused' ? outcome.error : failedAcquire(outcome.why, key, { count, majority }));
  }

  const heldVote = ({ key, owner, fencingToken }: HoldRef): HeldVote => ({
    key,
    owner,
    first: fencingToken === undefined ? undefined : Number(fencingToken),
  });

  function renewMany(holds: readonly HoldRef[], ttlMs: number): Promise<RenewOutcome[]> {
    if (holds.length === 0) return Promise.resolve([]);
    const leaseMs = Math.max(ttlMs, shortestTtlMs);
    return new Promise((resolve, reject) => {
      quorum.renew(holds.map(heldVote), leaseMs, ({ items, errors }) => {
        // A hold without a verdict has no outcome, which must not cost the others theirs.
        const outcomes: RenewOutcome[] = new Array(items.length);
        let decided = 0;
        for (const [i, item] of items.entries()) {
          if (item === undefined) continue;
          decided += 1;
          outcomes[i] = item ? { status: 'renewed', validForMs: validityMs(leaseMs) } : { status: 'lost' };
        }
        if (decided > 0) resolve(outcomes);
        else reject(noMajority('renew the lock', holds[0]!.key, { count, majority }, errors));
      });
    });
  }

  function release(hold: HoldRef): Promise<ReleaseOutcome> {
    return new Promise((resolve, reject) => {
      const held = { ...heldVote(hold), onWaiting: (others: number) => hold.onWaiting?.(others) };
      quorum.release(held, ({ items: [freed], errors }) => {
        if (freed === undefined) reject(noMajority('release the lock', hold.key, { count, majority }, errors));
        else resolve(freed ? 'released' : 'not-held');
      });
    });
  }

  async function inspect(key: string): Promise<LockInfo | undefined> {
    const info = await inspectAll(context, singles, key);
    return info === undefined || fencing ? info : { ...info, fencingToken: undefined };
  }

  return {
    name,
    capabilities: {
      fencing,
      fairness: 'none',
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: false,
      crossProcess: true,
      ttl: { minMs: shortestTtlMs, granularityMs: 1, maxOvershootMs: 100 },
    },
    tryAcquire: (attempt) =>
      usable && isReady(nodes, majority) ? acquire(attempt) : prepare(attempt).then(() => acquire(attempt)),
    renew: async (hold, ttlMs) => (await renewMany([hold], ttlMs))[0]!,
    renewMany,
    release,
    whenFree: hints.whenFree,
    inspect,
    keys: (cursor) => keysOfEnough(context, singles, cursor),
    forceRelease: (key) => forceReleaseAll(context, singles, key),
    async close() {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}

import { randomInt } from 'node:crypto';
import type {
  AcquireAttempt,
  AcquireOutcome,
  Capabilities,
  HoldRef,
  LockAdapter,
  LockInfo,
  ReleaseOutcome,
  RenewOutcome,
} from '@holdfast/lock-core';
import { type AnyRedisClient, isAmongOthers } from '@holdfast/redis-protocol';
import { createCircuitBreaker } from './circuit-breaker.ts';
import { quorumTimers } from './clock.ts';
import { failedAcquire, type NodeCount, noMajority, notChanged, unsoundLimit } from './failures.ts';
import { majorityHints } from './hints.ts';
import { forceReleaseAll, inspectAll, keysOfEnough, type NodeGroup } from './inspect.ts';
import { type RedlockOptions, type RedlockSettings, redlockSettings } from './options.ts';
import type { Failure, GrantOutcome, GrantRequest } from './protocol/acquire.ts';
import { type HeldVote, majorityOf, validityMs } from './protocol/node.ts';
import { createQuorum, type Quorum } from './protocol/quorum.ts';
import { quorumFor } from './protocol/quorum-size.ts';
import { enoughAnswer, enoughReady, isReady, tooFewAnswer } from './ready.ts';
import { RedisNode } from './redis-node.ts';
import { createServerIdentities, type ServerIdentities } from './server-identity.ts';

// Below, a majority could hardly be asked before the lease is over.
const shortestTtlMs = 50;

/** The parts of one adapter. */
interface Redlock extends NodeGroup, NodeCount {
  readonly fencing: boolean;
  readonly identities: ServerIdentities;
  readonly quorum: Quorum;
  readonly hints: ReturnType<typeof majorityHints>;
  /** Each node was given the time to tell who its server is. */
  opened: boolean;
  opening: Promise<void> | undefined;
}

/**
 * Creates a lock adapter for 1 to 9 independent Redis servers. A majority grants a lock, so it works while more than half of the
 * servers work. `clients` are ioredis or node-redis clients in any mix, one for each server. Closing the adapter leaves them open.
 *
 * This is the Redlock algorithm of redis.io, plus the fencing token that it is criticised for lacking. The client proposes the token,
 * and a majority accepts it (see SAFETY.md).
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option, for no nodes or too many, or, at the first use, if two nodes are the
 * same server
 */
export function redlockAdapter(clients: readonly AnyRedisClient[], options: RedlockOptions = {}): LockAdapter {
  const redlock = createRedlock(redlockSettings(clients, options));
  const { nodes, hints } = redlock;
  return {
    name: 'redlock',
    capabilities: capabilities(redlock.fencing),
    tryAcquire: (attempt) => acquire(redlock, attempt),
    renew: async (hold, ttlMs) => (await renewMany(redlock, [hold], ttlMs))[0]!,
    downgrade: (hold, ttlMs) => downgrade(redlock, hold, ttlMs),
    renewMany: (holds, ttlMs) => renewMany(redlock, holds, ttlMs),
    release: (hold) => release(redlock, hold),
    whenFree: hints.whenFree,
    inspect: (key) => inspect(redlock, key),
    keys: (cursor) => keysOfEnough(redlock, cursor),
    forceRelease: (key: string, owner?: string) => forceRelease(redlock, key, owner),
    async close() {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };
}

function capabilities(fencing: boolean): Capabilities {
  return {
    fencing,
    fairness: 'none',
    expiry: 'ttl',
    wakeup: 'push',
    survivesFailover: false,
    crossProcess: true,
    shared: true,
    permits: true,
    ttl: { minMs: shortestTtlMs, granularityMs: 1, maxOvershootMs: 100 },
  };
}

function createRedlock({ clients, prefix, fencing, nodeTimeoutMs, permitQuorum }: RedlockSettings): Redlock {
  const count = clients.length;
  const majority = majorityOf(count);
  const breakers = clients.map(() => createCircuitBreaker(quorumTimers.now, nodeTimeoutMs));
  const identities = createServerIdentities(clients, breakers, quorumTimers.now, prefix);
  const listens = (key: string): boolean => hints.listens(key);
  const nodes = clients.map(
    (client, index) =>
      new RedisNode({ client, index, prefix, fencing, breaker: breakers[index]!, identities, listens }),
  );
  const hints = majorityHints(
    nodes.map(({ single }) => single),
    majority,
    quorumTimers.now,
  );
  // Tokens are the servers' time, since a client's clock may be off by years (H118).
  const clock = { ...quorumTimers, micros: identities.micros };
  const random = (bound: number): number => randomInt(bound);
  const quorum = createQuorum({ nodes, majority, permitQuorum, nodeTimeoutMs, clock, random });
  return {
    ...{ nodes, count, majority, permitQuorum, nodeTimeoutMs, clock, fencing, identities, quorum, hints },
    ...{ opened: false, opening: undefined },
  };
}

/**
 * Waits until enough nodes are connected and identified; otherwise returns the errors of the others. The first call gives every
 * node time to identify itself.
 */
async function prepare(redlock: Redlock, needed: number, signal: AbortSignal): Promise<Failure | undefined> {
  const { nodes, nodeTimeoutMs, clock } = redlock;
  const after = (callback: () => void) => clock.after(nodeTimeoutMs, callback);
  const errors = await enoughReady({ nodes, majority: needed, after }, signal);
  if (errors !== undefined) return { kind: 'no-majority', errors };
  if (redlock.opened) return undefined;
  redlock.opening ??= open(redlock).finally(() => {
    redlock.opening = undefined;
  });
  await redlock.opening;
  return undefined;
}

async function open(redlock: Redlock): Promise<void> {
  const { nodes, clock, nodeTimeoutMs, identities } = redlock;
  const end = new AbortController();
  const cancel = clock.after(nodeTimeoutMs, () => end.abort());
  const timeUp = new Promise<void>((resolve) => end.signal.addEventListener('abort', () => resolve()));
  await Promise.race([Promise.allSettled(nodes.map((node) => node.whenReady(end.signal))), timeUp]);
  cancel();
  for (const i of nodes.keys()) {
    const refusal = identities.refusal(i);
    if (refusal !== undefined) throw refusal;
  }
  redlock.opened = true;
}

function acquire(redlock: Redlock, attempt: AcquireAttempt): Promise<AcquireOutcome> {
  const { key, owner, tokens, claim } = attempt;
  const needed = quorumFor(redlock, claim);
  const refusal = claim?.mode === 'permits' ? unsoundLimit(key, redlock.count, needed, claim.limit) : undefined;
  if (refusal !== undefined) return Promise.reject(refusal);
  const ttlMs = Math.max(attempt.ttlMs, shortestTtlMs);
  // The signal is read only where it is needed: core makes it at the first use, and it costs more than all else here.
  const ready = redlock.opened ? notReady(redlock, attempt, needed) : () => prepare(redlock, needed, attempt.signal);
  return new Promise((resolve, reject) => {
    redlock.quorum.acquire({ key, owner, ttlMs, tokens, claim, ready }, (outcome) => {
      if (outcome.kind === 'failed') reject(failedAcquire(outcome, attempt, { ...redlock, majority: needed }));
      else resolve(acquireOutcome(outcome, redlock.fencing));
    });
  });
}

/** What to await before the nodes are asked; nearly always nothing. */
function notReady(redlock: Redlock, attempt: AcquireAttempt, needed: number): GrantRequest['ready'] {
  const { nodes, clock, nodeTimeoutMs } = redlock;
  if (!isReady(nodes, needed)) return () => prepare(redlock, needed, attempt.signal);
  if (!tooFewAnswer(nodes, needed)) return undefined;
  // The votes of the few that answer would have to be withdrawn again, and core and the protocol would track each one (H116).
  return async () => {
    const after = (callback: () => void) => clock.after(Math.min(nodeTimeoutMs, attempt.ttlMs / 2), callback);
    const errors = await enoughAnswer({ nodes, majority: needed, after }, attempt.signal);
    return errors && { kind: 'no-majority', errors };
  };
}

function acquireOutcome(outcome: Exclude<GrantOutcome, { kind: 'failed' }>, fencing: boolean): AcquireOutcome {
  if (outcome.kind === 'busy') return { status: 'busy', retryAfterMs: outcome.retryAfterMs };
  const { first, tokens, validForMs } = outcome;
  // Other waiters are counted only if a block of tokens was requested.
  const waiting = tokens > 1 ? outcome.waiting : undefined;
  const block = fencing ? { fencingToken: BigInt(first), tokens } : {};
  return { status: 'granted', ...block, validForMs, waiting };
}

/** Of a shared hold the token says nothing of the votes: what round they are of is known where it was acquired. */
const heldVote = ({ key, owner, fencingToken, claim }: HoldRef): HeldVote => ({
  key,
  owner,
  claim,
  first: fencingToken === undefined || claim?.mode === 'shared' ? undefined : Number(fencingToken),
});

/** A renewal that was made before a downgrade, and comes late, calls the hold exclusive still. */
function asItIs({ quorum }: Redlock, hold: HoldRef): HoldRef {
  const { key, owner, claim } = hold;
  return !isAmongOthers(claim) && quorum.isShared(key, owner) ? { key, owner, claim: { mode: 'shared' } } : hold;
}

/** Renews the exclusive holds together, and the others. */
async function renewMany(redlock: Redlock, named: readonly HoldRef[], ttlMs: number): Promise<RenewOutcome[]> {
  const holds = named.map((hold) => asItIs(redlock, hold));
  const outcomes: RenewOutcome[] = new Array(holds.length);
  const renewSome = async (places: readonly number[]): Promise<void> => {
    const some = places.map((place) => holds[place]!);
    const renewed = await renewAlike(redlock, some, ttlMs);
    for (const [i, place] of places.entries()) if (renewed[i] !== undefined) outcomes[place] = renewed[i];
  };
  const groups = [false, true].map((among) =>
    [...holds.keys()].filter((i) => isAmongOthers(holds[i]!.claim) === among),
  );
  const asked = groups.filter(({ length }) => length > 0).map(renewSome);
  // What is known of one of the two must not be lost for the other.
  const settled = await Promise.allSettled(asked);
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed !== undefined && settled.every(({ status }) => status === 'rejected')) throw failed.reason;
  return outcomes;
}

async function renewAlike(redlock: Redlock, holds: readonly HoldRef[], ttlMs: number): Promise<RenewOutcome[]> {
  const leaseMs = await readyLease(redlock, ttlMs);
  return new Promise((resolve, reject) => {
    redlock.quorum.renew(holds.map(heldVote), leaseMs, ({ items, errors, sent }) => {
      // A hold without a verdict has no outcome, which must not cost the others theirs.
      const outcomes: RenewOutcome[] = new Array(items.length);
      let decided = 0;
      for (const [i, item] of items.entries()) {
        if (item === undefined) continue;
        decided += 1;
        outcomes[i] = renewal(item, leaseMs);
      }
      if (decided > 0) resolve(outcomes);
      else reject(notChanged('renew the lock', holds[0]!.key, needing(redlock, holds[0]!), errors, sent));
    });
  });
}

const renewal = (isHeld: boolean, leaseMs: number): RenewOutcome =>
  isHeld ? { status: 'renewed', validForMs: validityMs(leaseMs) } : { status: 'lost' };

const needing = (redlock: Redlock, { claim }: HoldRef): NodeCount => ({
  count: redlock.count,
  majority: quorumFor(redlock, claim),
});

/** The lease to ask for, once the nodes are known. */
async function readyLease(redlock: Redlock, ttlMs: number): Promise<number> {
  const leaseMs = Math.max(ttlMs, shortestTtlMs);
  if (!isReady(redlock.nodes, redlock.majority)) await identified(redlock, leaseMs / 4);
  return leaseMs;
}

async function downgrade(redlock: Redlock, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> {
  const leaseMs = await readyLease(redlock, ttlMs);
  return new Promise((resolve, reject) => {
    redlock.quorum.downgrade(heldVote(hold), leaseMs, ({ items: [shared], errors, sent }) => {
      if (shared === undefined) reject(notChanged('downgrade the lock', hold.key, redlock, errors, sent));
      else resolve(renewal(shared, leaseMs));
    });
  });
}

/** After a reconnect: waits, not for long, until the servers that are connected have told who they are. */
async function identified({ nodes, clock, nodeTimeoutMs }: Redlock, withinMs: number): Promise<void> {
  const end = new AbortController();
  const cancel = clock.after(Math.min(withinMs, nodeTimeoutMs), () => end.abort());
  await Promise.allSettled(nodes.map((node) => (node.connected ? node.whenReady(end.signal) : undefined)));
  cancel();
}

function release(redlock: Redlock, hold: HoldRef): Promise<ReleaseOutcome> {
  return new Promise((resolve, reject) => {
    const held = { ...heldVote(hold), onWaiting: (others: number) => hold.onWaiting?.(others) };
    redlock.quorum.release(held, ({ items: [freed], errors }) => {
      if (freed === undefined) reject(noMajority('release the lock', hold.key, redlock, errors));
      else resolve(freed ? 'released' : 'not-held');
    });
  });
}

async function inspect(redlock: Redlock, key: string): Promise<LockInfo | undefined> {
  const info = await inspectAll(redlock, key);
  return info === undefined || redlock.fencing ? info : { ...info, fencingToken: undefined };
}

function forceRelease(redlock: Redlock, key: string, owner: string | undefined): Promise<boolean> {
  if (owner === undefined) return forceReleaseAll(redlock, key);
  return new Promise((resolve, reject) => {
    redlock.quorum.forceRelease({ key, owner, claim: 'any', first: undefined }, ({ items: [freed], errors }) => {
      if (freed === undefined) reject(noMajority('force the release of the lock', key, redlock, errors));
      else resolve(freed);
    });
  });
}

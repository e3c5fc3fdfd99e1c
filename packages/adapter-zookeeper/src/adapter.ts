import { performance } from 'node:perf_hooks';
import type {
  AcquireAttempt,
  AcquireOutcome,
  Capabilities,
  Granted,
  HoldRef,
  LockAdapter,
  LockError,
  LockInfo,
  RenewOutcome,
} from '@holdfast/lock-core';
import { claimOf, downgraded, limitOf } from './claim.ts';
import type { NodeStat } from './client.ts';
import { isFinal, NotSent, SessionOver, toLockError, Unanswered } from './failures.ts';
import { fencingToken, lastToken } from './fencing.ts';
import { asked, type LockNode } from './lock-node.ts';
import { LockNodes } from './lock-nodes.ts';
import { keysPage, ownerOf } from './names.ts';
import { Nodes } from './nodes.ts';
import { resolveSettings, type Settings, type ZookeeperOptions } from './options.ts';
import { Requests } from './requests.ts';
import { validUntil } from './session.ts';
import { waitForTurn } from './wait-for-turn.ts';
import { createWatches, type Watches } from './watches.ts';

/** The parts of one adapter. */
interface Parts {
  readonly settings: Settings;
  readonly requests: Requests;
  readonly watches: Watches;
  readonly nodes: Nodes;
  readonly lockNodes: LockNodes;
}

/**
 * Creates a lock adapter for a ZooKeeper ensemble. A lock is a FIFO queue of ephemeral sequential nodes (the usual recipe). The adapter
 * creates its own clients of `node-zookeeper-client` and connects at the first call; `close()` ends its session.
 * @throws LockError LOCK_INVALID_ARGUMENT for an invalid option
 */
export function zookeeperAdapter(options: ZookeeperOptions): LockAdapter {
  const parts = assemble(resolveSettings(options));
  return {
    name: 'zookeeper',
    capabilities: capabilitiesOf(parts.settings),
    localRunCount: 512,
    tryAcquire: (attempt) => tryAcquire(parts, attempt),
    enqueue: (attempt, signal) => enqueue(parts, attempt, signal),
    renew: (hold, ttlMs) => renew(parts, hold, ttlMs),
    downgrade: (hold, ttlMs) => downgrade(parts, hold, ttlMs),
    renewMany: (holds, ttlMs) => Promise.all(holds.map((hold) => renew(parts, hold, ttlMs))),
    release: ({ key, owner }) =>
      forKey(key, async () => ((await parts.lockNodes.leave(key, owner)) ? 'released' : 'not-held')),
    inspect: (key) => forKey(key, () => inspect(parts, key)),
    keys: () => forKey('*', async () => keysPage(await parts.requests.freshChildren(parts.settings.root))),
    forceRelease: (key: string, owner?: string) => forKey(key, () => forceRelease(parts, key, owner)),
    close: () => {
      parts.lockNodes.close();
      return parts.requests.close();
    },
  };
}

function assemble(settings: Settings): Parts {
  const requests: Requests = new Requests(settings, {
    isInUse: () => lockNodes.count > 0,
    onConnect: () => lockNodes.onConnect(),
    onSessionOver: (session) => lockNodes.onSessionOver(session),
  });
  const watches = createWatches(requests);
  const nodes = new Nodes(requests, settings.root);
  const lockNodes = new LockNodes(requests, watches, nodes);
  return { settings, requests, watches, nodes, lockNodes };
}

function capabilitiesOf({ sessionTimeoutMs }: Settings): Capabilities {
  return {
    fencing: true,
    fairness: 'fifo',
    expiry: 'session',
    wakeup: 'push',
    survivesFailover: true,
    crossProcess: true,
    shared: true,
    permits: true,
    // The lease is as long as requested, but a crash is noticed only by the end of the session: its time-out, and up to half of
    // that more since the server counts in ticks.
    ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: Math.ceil(sessionTimeoutMs * 1.5) },
  };
}

/** Runs a call, and says which lock it failed for. */
async function forKey<T>(key: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toLockError(error, key);
  }
}

async function tryAcquire({ requests, nodes, lockNodes }: Parts, attempt: AcquireAttempt): Promise<AcquireOutcome> {
  const calledAt = performance.now();
  const { key, owner, ttlMs } = attempt;
  try {
    const node = await lockNodes.enter(asked(attempt));
    // Once an owner's node is being removed, that owner gets the lock no more.
    if (node === undefined) return { status: 'busy' };
    const [blocker] = node.blockers;
    if (blocker !== undefined && (await lockNodes.passDowngraded(node, blocker))) node.blockers = [];
    if (node.blockers.length === 0) return await grant(requests, node, calledAt, calledAt + ttlMs);
    await nodes.assertEphemeral(key, node.blockers);
    // An attempt that does not wait leaves no node, unless an `enqueue` of the same owner waits with it.
    if (!node.isWaiting) await lockNodes.leave(key, owner);
    return { status: 'busy' };
  } catch (error) {
    throw await failedAttempt(lockNodes, attempt, error);
  }
}

/** What an attempt rejects with, once what a definite refusal may have left is removed. */
async function failedAttempt(lockNodes: LockNodes, { key, owner }: AcquireAttempt, error: unknown): Promise<LockError> {
  if (isFinal(error)) await lockNodes.withdraw(key, owner);
  // Of a refusal that has left nothing it says neither: then core has nothing to clean up.
  const notSent = error instanceof NotSent || undefined;
  return toLockError(error, key, lockNodes.mayExist(key, owner) ? false : notSent);
}

async function enqueue(parts: Parts, attempt: AcquireAttempt, signal: AbortSignal): Promise<Granted> {
  const calledAt = performance.now();
  try {
    const node = await waitForTurn(parts, attempt, signal);
    return await grant(parts.requests, node, calledAt, performance.now() + attempt.ttlMs);
  } catch (error) {
    // The signal's own reason says that the node was removed.
    if (signal.aborted && error === signal.reason) throw error;
    throw await failedAttempt(parts.lockNodes, attempt, error);
  }
}

/** Grants the lock to a node with nothing in its way. */
async function grant(requests: Requests, node: LockNode, calledAt: number, leaseEnd: number): Promise<Granted> {
  const token = await tokenFor(requests, node);
  await requests.confirmed();
  const validForMs = validFor(node, calledAt, leaseEnd);
  node.fencingToken ??= token;
  return { status: 'granted', fencingToken: node.fencingToken, tokens: node.tokens, validForMs };
}

/**
 * The last exclusive grant before a shared one is written down nowhere. So the readers that hold together have a token between those of
 * the exclusive grants around them: that of the first of them, or if that was a writer, the last that it can have got to.
 */
async function tokenFor(requests: Requests, { claim, first, czxid }: LockNode): Promise<bigint> {
  const stat = claim.mode === 'shared' && first !== undefined ? await requests.stat(first) : undefined;
  if (stat === undefined) return fencingToken(czxid);
  const wasExclusive = claimOf(nameIn(first as string)).mode === 'exclusive';
  return (wasExclusive ? lastToken : fencingToken)(stat.czxid.readBigInt64BE());
}

/** No longer than the session is sure to last: another owner gets the lock as soon as the server ends it. */
function validFor({ session }: LockNode, calledAt: number, leaseEnd: number): number {
  if (session.over) throw new SessionOver();
  const validForMs = Math.min(validUntil(session), leaseEnd) - calledAt;
  if (validForMs <= 0) throw new Unanswered('the answer came too late');
  return validForMs;
}

/**
 * The node is the hold, so the leader is asked for it: a server that lags behind may still show a node that was removed, after
 * which the next owner was granted the lock.
 */
const renew = (parts: Parts, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> =>
  extendLease(parts, hold, ttlMs, (path) => parts.requests.freshStat(path));

/** The node keeps its place and its name, so only its data can say that it is shared now. */
const downgrade = (parts: Parts, hold: HoldRef, ttlMs: number): Promise<RenewOutcome> =>
  extendLease(parts, hold, ttlMs, (path) => parts.requests.setData(path, downgraded));

async function extendLease(
  { lockNodes }: Parts,
  { key, owner }: HoldRef,
  ttlMs: number,
  askLeader: (path: string) => Promise<NodeStat | undefined>,
): Promise<RenewOutcome> {
  const calledAt = performance.now();
  const node = await lockNodes.known(key, owner);
  if (node === undefined || node.blockers.length > 0 || node.session.over) return { status: 'lost' };
  try {
    const stat = await askLeader(node.path);
    // A node of another session, or one created later under the same name, is not this hold (H65).
    if (stat?.ephemeralOwner.equals(node.session.id) && stat.czxid.readBigInt64BE() === node.czxid)
      return { status: 'renewed', validForMs: validFor(node, calledAt, calledAt + ttlMs) };
    if (stat === undefined) lockNodes.leave(key, owner).catch(() => {});
    else lockNodes.drop(key, owner, node);
    return { status: 'lost' };
  } catch (error) {
    if (error instanceof SessionOver) return { status: 'lost' };
    throw toLockError(error, key);
  }
}

async function inspect({ requests, nodes }: Parts, key: string): Promise<LockInfo | undefined> {
  for (;;) {
    const { order, holders, claim } = await nodes.freshQueue(key);
    const [first] = order;
    if (first === undefined) return undefined;
    await nodes.assertEphemeral(key, [first]);
    const stat = await requests.stat(first);
    // Removed in between: another one is the first now.
    if (stat === undefined) continue;
    return {
      key,
      owner: ownerOfPath(first),
      remainingMs: undefined,
      fencingToken: fencingToken(stat.czxid.readBigInt64BE()),
      waiters: order.length - holders,
      mode: claim.mode,
      holders,
      limit: limitOf(claim),
    };
  }
}

/** Removes the nodes of holders, of `owner` or all, by their full names: repeated, it cannot remove that of the next holder. */
async function forceRelease({ requests, nodes }: Parts, key: string, owner: string | undefined): Promise<boolean> {
  for (;;) {
    const { order, holders } = await nodes.freshQueue(key);
    const held = order.slice(0, holders).filter((path) => owner === undefined || ownerOfPath(path) === owner);
    if (held.length === 0) return false;
    await nodes.assertEphemeral(key, held);
    const removed = await Promise.all(held.map((path) => requests.remove(path)));
    if (removed.includes(true)) return true;
  }
}

const nameIn = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const ownerOfPath = (path: string): string => ownerOf(nameIn(path));

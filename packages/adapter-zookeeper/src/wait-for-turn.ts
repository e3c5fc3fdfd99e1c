import type { AcquireAttempt } from '@holdfast/lock-core';
import { isFinal, SessionOver, Unanswered } from './failures.ts';
import { asked, type LockNode, NodeRemoved } from './lock-node.ts';
import type { LockNodes } from './lock-nodes.ts';
import type { Nodes } from './nodes.ts';
import type { Requests } from './requests.ts';
import type { Watches } from './watches.ts';

/** The parts that waiting takes. */
export interface Waiting {
  readonly requests: Requests;
  readonly nodes: Nodes;
  readonly lockNodes: LockNodes;
  readonly watches: Watches;
}

// How long a waiter keeps its node while no server can be reached; then the outcome is unknown, and core decides.
const maxOutageMs = 3_000;

/** Waits in the queue until the node holds the lock. Rejects with the signal's reason once an aborted waiter's node is removed. */
export async function waitForTurn(waiting: Waiting, attempt: AcquireAttempt, signal: AbortSignal): Promise<LockNode> {
  signal.throwIfAborted();
  const { key, owner } = attempt;
  let node: LockNode | undefined;
  try {
    node = await waiting.lockNodes.enter(asked(attempt));
    if (node === undefined) throw new Unanswered('an earlier request of this owner is still being withdrawn');
    attempt.onQueued?.();
    node.isWaiting = true;
    await untilGranted(waiting, node, signal);
    if (node.isLeaving) throw new NodeRemoved();
    return node;
  } catch (error) {
    if (!signal.aborted) throw error;
    // An aborted waiter leaves no node: the removal is repeated until it is done.
    if (waiting.lockNodes.mayExist(key, owner)) await waiting.lockNodes.leave(key, owner);
    throw signal.reason;
  } finally {
    if (node !== undefined) node.isWaiting = false;
  }
}

async function untilGranted(waiting: Waiting, node: LockNode, signal: AbortSignal): Promise<void> {
  while (node.blockers.length > 0) {
    await waiting.nodes.assertEphemeral(node.key, node.blockers).catch((error: unknown) => {
      if (isFinal(error)) throw error;
    });
    // Its removal wakes only sleeping waiters.
    if (node.isLeaving) throw new NodeRemoved();
    if (!signal.aborted) await untilChange(waiting, node, node.blockers, signal);
    signal.throwIfAborted();
    await refreshThroughOutage(waiting, node, signal);
  }
}

/**
 * Resolves when a blocker has changed or gone, or the watch on it is lost, or the signal aborts, or the node is removed. Rejects
 * when the server refuses the watch.
 */
function untilChange(
  { lockNodes, watches }: Waiting,
  node: LockNode,
  blockers: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (refusal?: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      lockNodes.sleepers.delete(node, blockers);
      for (const path of blockers) watches.unlisten(path, finish);
      if (refusal === undefined) resolve();
      else reject(refusal as Error);
    };
    const onAbort = (): void => finish();
    signal.addEventListener('abort', onAbort);
    lockNodes.sleepers.add(node, blockers, finish);
    for (const path of blockers) {
      watches.listen(path, finish);
      // Sent behind the watch, it sees a downgrade that the watch came too late for.
      lockNodes.passDowngraded(node, path).then(
        (passed) => passed && finish(),
        () => {},
      );
    }
  });
}

/** A node outlives its connection: it is kept as long as the session lasts and a server is found soon. */
async function refreshThroughOutage(
  { requests, lockNodes }: Waiting,
  node: LockNode,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      return await lockNodes.refreshPosition(node);
    } catch (error) {
      signal.throwIfAborted();
      if (node.session.over) throw new SessionOver();
      if (!(error instanceof Unanswered) || requests.downForMs > maxOutageMs) throw error;
    }
  }
}

import type { AcquireAttempt } from '@holdfast/lock-core';
import { SessionOver, Unanswered } from './failures.ts';
import type { LockNode, LockNodes } from './lock-nodes.ts';
import type { Requests } from './requests.ts';
import type { Watches } from './watches.ts';

// How long a waiter's node is kept for while no server can be reached; then nobody knows, and core is to decide.
const maxOutageMs = 3_000;

/** Waits in the queue until the node is the first. Rejects with the signal's reason once an aborted waiter's node is given back. */
export async function waitForTurn(
  requests: Requests,
  lockNodes: LockNodes,
  watches: Watches,
  attempt: AcquireAttempt,
  signal: AbortSignal,
): Promise<LockNode> {
  signal.throwIfAborted();
  const { key, owner } = attempt;
  const node = await lockNodes.enter(key, owner);
  attempt.onQueued?.();
  node.waiting = true;
  try {
    while (node.predecessor !== undefined) {
      if (!signal.aborted) await untilChange(lockNodes, watches, node, node.predecessor, signal);
      if (signal.aborted) {
        await lockNodes.leave(key, owner);
        throw signal.reason;
      }
      await refreshUntilKnown(requests, lockNodes, node, signal);
    }
    return node;
  } finally {
    node.waiting = false;
  }
}

/** Resolves when the node ahead has changed or gone, or the watch on it is lost, or the signal aborts, or the node is given back. */
function untilChange(
  lockNodes: LockNodes,
  watches: Watches,
  node: LockNode,
  predecessor: string,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      lockNodes.awake(node, predecessor);
      watches.unlisten(predecessor, done);
      resolve();
    };
    signal.addEventListener('abort', done);
    lockNodes.sleep(node, predecessor, done);
    watches.listen(predecessor, done);
  });
}

/** A node outlives its connection: it is kept as long as the session lasts and a server is found soon. */
async function refreshUntilKnown(
  requests: Requests,
  lockNodes: LockNodes,
  node: LockNode,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      return await lockNodes.refreshPosition(node);
    } catch (error) {
      if (signal.aborted) return;
      if (node.session.over) throw new SessionOver();
      if (!(error instanceof Unanswered) || requests.downForMs > maxOutageMs) throw error;
    }
  }
}

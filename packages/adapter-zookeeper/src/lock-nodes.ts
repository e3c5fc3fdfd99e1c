import { isLeaderRefusal } from './failures.ts';
import { createNodes, isIn } from './nodes.ts';
import type { Requests } from './requests.ts';
import { assertAlive, type Session } from './sessions.ts';
import type { Watches } from './watches.ts';

/** An owner's node among the contenders for a key. */
export interface LockNode {
  readonly key: string;
  readonly path: string;
  readonly session: Session;
  /** The number of the transaction that made the node, counted over the whole ensemble: the fencing token. */
  readonly token: bigint;
  /** The node in front of ours when we looked last; `undefined` when ours is the first, which it then remains. */
  predecessor: string | undefined;
  /** An `enqueue` waits with it. */
  waiting: boolean;
  /** Ends the sleep of that `enqueue`, which then looks again. */
  wake: (() => void) | undefined;
  /** A look that is under way for it already. */
  refreshing: Promise<void> | undefined;
}

/** The nodes of the owners of this process. */
export interface LockNodes {
  /** How many there are, or may be. */
  readonly count: number;
  /** The owner's node, made if there is none, and looked at just now. */
  enter(key: string, owner: string): Promise<LockNode>;
  /** The owner's node as far as it is known here. */
  known(key: string, owner: string): Promise<LockNode | undefined>;
  /** Finds out what is in front of it. Rejects with `NodeRemoved` when it is no more. */
  refreshPosition(node: LockNode): Promise<void>;
  /** It sleeps until the node ahead is gone; `wake` ends the sleep early. */
  sleep(node: LockNode, predecessor: string, wake: () => void): void;
  awake(node: LockNode, predecessor: string): void;
  /** Removes what the owner has under the key; `true` when that was the first node. */
  leave(key: string, owner: string): Promise<boolean>;
  /** The paths of all contenders for a key in their order, as of now. */
  contenders(key: string): Promise<string[]>;
  /** Tries again to remove what could not be removed. */
  clearUp(): void;
}

/** Somebody has removed our node. */
export class NodeRemoved extends Error {
  override readonly name: string = 'NodeRemoved';
  constructor() {
    super('its node has been removed');
  }
}

/** A node that is being made, or stands, or may stand because a call had no answer. */
interface Entry {
  readonly key: string;
  readonly owner: string;
  node: Promise<LockNode>;
  doubtful: boolean;
  /** It was to be removed, without an answer. The session, and the node with it, may outlast the caller's patience (H70). */
  unwanted: boolean;
}

/**
 * What stands in front of a node of ours. A server that shows our node has all that was created before it too, since
 * transactions take effect in one order everywhere: so it may show contenders that are gone, and never misses one (H74).
 */
function predecessorOf(path: string, order: readonly string[]): string | undefined {
  const index = order.indexOf(path);
  if (index < 0) throw new NodeRemoved();
  return order[index - 1];
}

const nameOf = (key: string, owner: string): string => `${owner.length}:${owner}${key}`;

export function createLockNodes(requests: Requests, watches: Watches, root: string): LockNodes {
  const nodes = createNodes(requests, root);
  const entries = new Map<string, Entry>();
  // By the path of the node ahead.
  const sleepers = new Map<string, LockNode>();

  async function make(key: string, owner: string, entry: Entry, search: boolean): Promise<LockNode> {
    let made = search ? await nodes.find(key, owner) : undefined;
    try {
      made ??= await nodes.create(key, owner);
    } catch (error) {
      // A refusal is certain: then nothing was made.
      if (!isLeaderRefusal(error)) entry.doubtful = true;
      throw error;
    }
    entry.doubtful = true;
    const { path, session, seen } = made;
    try {
      const [stat, order] = await seen;
      assertAlive(session);
      if (!isIn(session, stat)) throw new NodeRemoved();
      const token = stat.czxid.readBigInt64BE();
      const predecessor = predecessorOf(path, order);
      entry.doubtful = false;
      return { key, path, session, token, predecessor, waiting: false, wake: undefined, refreshing: undefined };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'LOCK_FOREIGN_KEY') throw error;
      await requests.remove(path);
      entry.doubtful = false;
      throw error;
    }
  }

  function begin(key: string, owner: string, search: boolean): Promise<LockNode> {
    const name = nameOf(key, owner);
    const node = undefined as unknown as Promise<LockNode>;
    const entry: Entry = { key, owner, node, doubtful: search, unwanted: false };
    entries.set(name, entry);
    entry.node = make(key, owner, entry, search);
    entry.node.catch(() => {
      if (!entry.doubtful && entries.get(name) === entry) entries.delete(name);
    });
    return entry.node;
  }

  async function listPosition(node: LockNode): Promise<void> {
    assertAlive(node.session);
    node.predecessor = predecessorOf(node.path, await nodes.contenders(node.key));
    assertAlive(node.session);
  }

  async function refreshPosition(node: LockNode): Promise<void> {
    const refreshing = node.refreshing ?? listPosition(node);
    node.refreshing = undefined;
    return refreshing;
  }

  async function enter(key: string, owner: string): Promise<LockNode> {
    const name = nameOf(key, owner);
    for (;;) {
      const entry = entries.get(name);
      if (entry === undefined) return begin(key, owner, false);
      let node: LockNode;
      try {
        node = await entry.node;
      } catch (error) {
        if (!entry.doubtful) throw error;
        if (entries.get(name) !== entry) continue;
        return begin(key, owner, true);
      }
      try {
        await listPosition(node);
        return node;
      } catch (error) {
        if (!(error instanceof NodeRemoved) && !node.session.over) throw error;
        if (entries.get(name) === entry) entries.delete(name);
      }
    }
  }

  async function known(key: string, owner: string): Promise<LockNode | undefined> {
    return entries.get(nameOf(key, owner))?.node.catch(() => undefined);
  }

  /** What `next` finds in front of it once `node`, right ahead of it, is removed. */
  async function refreshAfterRemoval(next: LockNode, node: LockNode, removing: Promise<boolean>): Promise<void> {
    const removed = await removing.catch(() => false);
    // Who was right behind the first is the first, unless it has gone meanwhile; of that its own watch would have told.
    if (removed && node.predecessor === undefined && watches.stands(next.path)) next.predecessor = undefined;
    else await listPosition(next);
  }

  async function remove(node: LockNode): Promise<boolean> {
    // The server ends a session with all its nodes.
    if (node.session.over) return false;
    const removing = requests.remove(node.path);
    const next = sleepers.get(node.path);
    if (next !== undefined) {
      next.refreshing = refreshAfterRemoval(next, node, removing);
      next.refreshing.catch(() => {});
    }
    return (await removing) && node.predecessor === undefined;
  }

  async function leave(key: string, owner: string): Promise<boolean> {
    const name = nameOf(key, owner);
    const entry = entries.get(name);
    const node = await entry?.node.catch(() => undefined);
    let wasFirst: boolean;
    try {
      wasFirst = await (node === undefined ? nodes.removeAll(key, owner) : remove(node));
    } catch (error) {
      if (entry !== undefined) entry.unwanted = true;
      throw error;
    }
    if (entries.get(name) === entry) entries.delete(name);
    node?.wake?.();
    return wasFirst;
  }

  return {
    get count() {
      return entries.size;
    },
    enter,
    known,
    refreshPosition,
    sleep(node, predecessor, wake) {
      node.wake = wake;
      sleepers.set(predecessor, node);
    },
    awake(node, predecessor) {
      node.wake = undefined;
      if (sleepers.get(predecessor) === node) sleepers.delete(predecessor);
    },
    leave,
    contenders: (key) => nodes.contenders(key, 'fresh'),
    clearUp() {
      for (const { key, owner, unwanted } of entries.values()) {
        if (unwanted) leave(key, owner).catch(() => {});
      }
    },
  };
}

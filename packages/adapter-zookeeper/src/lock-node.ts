import type { AcquireAttempt, Claim } from '@holdfast/lock-core';
import { assertSameUse, claimOf } from './claim.ts';
import { foreignKey } from './failures.ts';
import { mostTokens } from './fencing.ts';
import { compareContenders, numbered } from './names.ts';
import type { Creation, Nodes } from './nodes.ts';
import { blockersIn, firstIn } from './position.ts';
import { assertAlive, type Session } from './session.ts';

/** An owner's node among the contenders for a key: it holds the lock when nothing is in its way, and else waits for it. */
export interface LockNode {
  readonly key: string;
  readonly path: string;
  readonly session: Session;
  /** The number of the transaction that created the node, counted over the whole ensemble. */
  readonly czxid: bigint;
  /** How many fencing tokens its first request asked for: every answer to this owner reserves as many. */
  readonly tokens: number;
  readonly claim: Claim;
  /** The nodes of which one has to go first, by the newest list; none when ours holds the lock, which it then does until it goes. */
  blockers: readonly string[];
  /** The first in the queue, by the list that showed the blockers; `undefined` when that is ours. */
  first: string | undefined;
  /** What it was granted with. */
  fencingToken: bigint | undefined;
  /** A blocker that turned out to have been downgraded. */
  passed: string | undefined;
  /** An `enqueue` waits with it. */
  isWaiting: boolean;
  /** It is being removed: whatever its position, it does not get the lock any more. */
  isLeaving: boolean;
  /** Ends the sleep of that `enqueue`, which then refreshes its position. */
  wake: (() => void) | undefined;
  /** A refresh of its position that is under way already. */
  refreshing: Promise<void> | undefined;
}

/** Somebody has removed our node. */
export class NodeRemoved extends Error {
  override readonly name: string = 'NodeRemoved';
  constructor() {
    super('its node has been removed');
  }
}

/** What an owner has under a key, or may have because a request had no answer. */
export interface Entry extends Creation {
  readonly tokens: number;
  /** `nameOf` key and owner. */
  readonly name: string;
  node: Promise<LockNode>;
  /** What `node` resolved with. */
  resolved: LockNode | undefined;
  /** The node, once the server has said its name. */
  path: string | undefined;
  /** No request has asked for it yet but the one that began it. */
  isNew: boolean;
  /** A removal was requested: one owner ID, one release. */
  isLeaving: boolean;
  /** The removal that is under way. */
  removing: Promise<boolean> | undefined;
  /** The removal failed, and is repeated until the node is gone. The session may outlast the caller (H70). */
  isUnwanted: boolean;
}

/**
 * What is in the way of a node of ours. A server that shows our node has all that was created before it too, since
 * transactions take effect in one order everywhere: so it may show contenders that are gone, and never misses one (H74).
 * @param isNew The first look: it refuses a claim that does not fit the first in the queue.
 */
export function positionOf(
  { key, path, passed }: Pick<LockNode, 'key' | 'path' | 'passed'>,
  children: readonly string[],
  isNew?: 'is new',
): Pick<LockNode, 'blockers' | 'first'> {
  const contenders = numbered(children);
  if (contenders === undefined) throw foreignKey(key);
  const parent = path.slice(0, path.lastIndexOf('/') + 1);
  const own = contenders.find(({ child }) => child.length === path.length - parent.length && path.endsWith(child));
  if (own === undefined) throw new NodeRemoved();
  const claim = claimOf(own.child);
  const ahead = contenders.filter((each) => compareContenders(each, own) < 0);
  const first = firstIn(ahead);
  if (isNew && first !== undefined) assertSameUse(key, claim, claimOf(first));
  const blockers = blockersIn(ahead, claim, passed?.slice(parent.length)).map((child) => parent + child);
  return { blockers, first: first && parent + first };
}

/** Finds out what is in the way of a node: as one server sees it, or `fresh`, as the leader does now. */
export async function listPosition(nodes: Nodes, node: LockNode, fresh?: 'fresh'): Promise<void> {
  assertAlive(node.session);
  const position = positionOf(node, await (fresh ? nodes.freshChildren(node.key) : nodes.children(node.key)));
  assertAlive(node.session);
  // A holder stays one: the name of a node ahead does not tell that it was downgraded.
  if (node.blockers.length > 0) Object.assign(node, position);
}

/** A name for what an owner has under a key. */
export const nameOf = (key: string, owner: string): string => `${owner.length}:${owner}${key}`;

/** What an owner asks for. */
export type Asked = Pick<Entry, 'key' | 'owner' | 'tokens' | 'claim'>;

/** What an attempt asks for. */
export const asked = ({ key, owner, tokens, claim = { mode: 'exclusive' } }: AcquireAttempt): Asked => ({
  ...{ key, owner, tokens, claim },
});

/** What an owner has before its first request is sent; `previous` when an earlier one had no answer. */
export function newEntry({ key, owner, tokens, claim }: Asked, name: string, previous: Entry | undefined): Entry {
  return {
    key,
    owner,
    claim,
    tokens: Math.min(tokens, mostTokens),
    name,
    node: undefined as unknown as Promise<LockNode>,
    resolved: undefined,
    path: undefined,
    session: previous?.session,
    mayExist: previous !== undefined,
    isNew: true,
    isLeaving: false,
    removing: undefined,
    isUnwanted: false,
  };
}

import type { NodeStat } from './client.ts';
import { codeOf, codes, foreignKey } from './failures.ts';
import { childPrefix, inOrder, isChildOf, nodeName } from './names.ts';
import { modes, type Requests } from './requests.ts';
import type { Session } from './sessions.ts';

/** A node of ours among the contenders for a key. */
export interface Contender {
  readonly path: string;
  readonly session: Session;
  /** What was seen of it after it was made: its stat, and all contenders in their order. */
  readonly seen: Promise<[stat: NodeStat | undefined, order: readonly string[]]>;
}

/** The nodes under the keys, whosoever they are. */
export interface Nodes {
  /** The paths of all contenders for a key in their order. With `fresh`, none that was there when it was asked is missing. */
  contenders(key: string, fresh?: 'fresh'): Promise<string[]>;
  /** Makes a node for the owner, and the key's node if need be. */
  create(key: string, owner: string): Promise<Contender>;
  /** The owner's node that an earlier request has made in the session of now; removes its others. */
  find(key: string, owner: string): Promise<Contender | undefined>;
  /** Removes all nodes of the owner; `true` when the first contender was among them. */
  removeAll(key: string, owner: string): Promise<boolean>;
}

/** Whether the node stands, and was made in that session. */
export const isIn = (session: Session, stat: NodeStat | undefined): stat is NodeStat =>
  stat?.ephemeralOwner.equals(session.id) ?? false;

// The server's clean-up may remove the parent between two requests of ours; even once is rare.
const parentAttempts = 5;

/**
 * Runs it after what this turn has to do. So a lock that is handed on is given back before new contenders are put in the queue,
 * and the server need not write them to disk first.
 */
const atEndOfTurn = <T>(run: () => T): Promise<T> =>
  new Promise((resolve) => {
    process.nextTick(() => resolve(run()));
  });

export function createNodes(requests: Requests, root: string): Nodes {
  const makeParent = parentMaker(requests);
  const parentOf = (key: string): string => `${root}/${nodeName(key)}`;

  async function contenders(key: string, fresh?: 'fresh'): Promise<string[]> {
    const parent = parentOf(key);
    const order = inOrder(await requests.children(parent, fresh));
    if (order === undefined) throw foreignKey(key);
    return order.map((child) => `${parent}/${child}`);
  }

  /** The owner's nodes, whoever made them and when. */
  function ofOwner(order: readonly string[], key: string, owner: string): string[] {
    const from = parentOf(key).length + 1;
    const prefix = childPrefix(owner);
    return order.filter((path) => isChildOf(prefix, path.slice(from)));
  }

  const see = (key: string, path: string): Contender['seen'] => Promise.all([requests.stat(path), contenders(key)]);

  async function create(key: string, owner: string): Promise<Contender> {
    const parent = parentOf(key);
    // Here and not at the end of the turn, where nobody would catch what an owner that is no text throws.
    const place = `${parent}/${childPrefix(owner)}`;
    for (let attempt = 1; ; attempt += 1) {
      const { creating, listing } = await atEndOfTurn(() => ({
        creating: requests.create(place, modes.ephemeralSequential),
        // Sent right behind the create, it is carried out after it.
        listing: contenders(key),
      }));
      listing.catch(() => {});
      try {
        const { path, session, stat } = await creating;
        return { path, session, seen: stat ? listing.then((order) => [stat, order]) : see(key, path) };
      } catch (error) {
        if (codeOf(error) !== codes.noNode || attempt === parentAttempts) throw error;
        await makeParent(parent);
      }
    }
  }

  /** A node of an earlier session dies with that: not ours any more (H65). */
  async function find(key: string, owner: string): Promise<Contender | undefined> {
    const session = await requests.session();
    let found: string | undefined;
    for (const path of ofOwner(await contenders(key, 'fresh'), key, owner)) {
      if (found === undefined && isIn(session, await requests.stat(path))) found = path;
      else await requests.remove(path);
    }
    return found === undefined ? undefined : { path: found, session, seen: see(key, found) };
  }

  async function removeAll(key: string, owner: string): Promise<boolean> {
    const parent = parentOf(key);
    const children = (await requests.children(parent, 'fresh')).map((child) => `${parent}/${child}`);
    const first = inOrder(children)?.[0];
    let wasFirst = false;
    for (const path of ofOwner(children, key, owner)) {
      const removed = await requests.remove(path);
      wasFirst ||= removed && path === first;
    }
    return wasFirst;
  }

  return { contenders, create, find, removeAll };
}

/** Makes the node of a key, and what is above it. */
export type MakeParent = (path: string) => Promise<void>;

/**
 * The node of a key is a container: the server removes it some time after its last child, so that keys used once leave nothing
 * behind (H75). A server older than 3.5 knows none; there it is a persistent node.
 */
export function parentMaker(requests: Requests): MakeParent {
  let containers = true;

  async function make(path: string, mode: number): Promise<void> {
    try {
      await requests.create(path, mode);
    } catch (error) {
      const code = codeOf(error);
      if (code === codes.nodeExists) return;
      if (code === codes.noNode) {
        await make(path.slice(0, path.lastIndexOf('/')), modes.persistent);
        return make(path, mode);
      }
      if (mode !== modes.container || (code !== codes.badArguments && code !== codes.unimplemented)) throw error;
      containers = false;
      await make(path, modes.persistent);
    }
  }

  return (path) => make(path, containers && !requests.hasOldServers ? modes.container : modes.persistent);
}

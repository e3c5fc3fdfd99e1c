import { nextTick } from 'node:process';
import type { Claim } from '@holdfast/lock-core';
import { claimOf, downgraded } from './claim.ts';
import type { NodeStat } from './client.ts';
import { codeOf, foreignKey, isAnswer, wasNotSent } from './failures.ts';
import { childName, childPrefix, inOrder, isChildOf, isOurs, nodeName } from './names.ts';
import { countHolders } from './position.ts';
import { modes, type Requests } from './requests.ts';
import { codes } from './server-answers.ts';
import type { Session } from './session.ts';

/** A node of ours among the contenders for a key. */
export interface Contender {
  readonly path: string;
  readonly session: Session;
  /** What was seen of it after it was created: its stat, and the names of all children of the key. */
  readonly seen: Promise<[stat: NodeStat | undefined, children: readonly string[]]>;
}

/** The contenders for a key. */
export interface Queue {
  /** Their paths, in their order. */
  readonly order: readonly string[];
  /** How many of them, from the first on, hold the lock. */
  readonly holders: number;
  /** What the first of them holds it for. */
  readonly claim: Claim;
}

/** What is known of the node that a request is to create. */
export interface Creation {
  readonly key: string;
  readonly owner: string;
  readonly claim: Claim;
  /** In which it was created, or may have been; `undefined` until a request is sent. */
  session: Session | undefined;
  /** It exists, or may exist although the request has failed. */
  mayExist: boolean;
}

const noSession = Buffer.alloc(8);

/** Whether the node exists, and was created in that session. */
export const isIn = (session: Session, stat: NodeStat | undefined): stat is NodeStat =>
  stat?.ephemeralOwner.equals(session.id) ?? false;

// The server's clean-up may remove the parent between two requests of ours; even once is rare.
const createAttempts = 5;

/**
 * Runs a function after everything else of this tick. A lock that is handed over is thus released before new contenders are
 * queued, and the server need not write them to disk first.
 */
const atEndOfTick = <T>(run: () => T): Promise<T> =>
  new Promise((resolve) => {
    nextTick(() => resolve(run()));
  });

/** The nodes below the keys, of any owner. */
export class Nodes {
  readonly #requests: Requests;
  readonly #root: string;
  readonly #createParent: (path: string) => Promise<void>;

  constructor(requests: Requests, root: string) {
    this.#requests = requests;
    this.#root = root;
    this.#createParent = parentCreator(requests);
  }

  /** The names of all children of a key, as one server sees them. */
  children(key: string): Promise<string[]> {
    return this.#requests.children(this.#parentOf(key));
  }

  /** As `children`; nothing that the leader had done before this call is missing. */
  freshChildren(key: string): Promise<string[]> {
    return this.#requests.freshChildren(this.#parentOf(key));
  }

  /** The contenders for a key; nothing that the leader had done before this call is missing. */
  async freshQueue(key: string): Promise<Queue> {
    const children = inOrder(await this.freshChildren(key));
    if (children === undefined) throw foreignKey(key);
    const order = children.map((child) => `${this.#parentOf(key)}/${child}`);
    const claim = claimOf(children[0] ?? '');
    const isShared = order[0] !== undefined && claim.mode === 'exclusive' && (await this.isDowngraded(order[0]));
    return { order, holders: countHolders(children, isShared), claim: isShared ? { mode: 'shared' } : claim };
  }

  /** Whether an exclusive hold was turned into a shared one. Of a node that we may not read, nobody knows. */
  async isDowngraded(path: string): Promise<boolean> {
    try {
      const data = await this.#requests.data(path);
      return Buffer.isBuffer(data) && data.equals(downgraded);
    } catch (error) {
      if (codeOf(error) !== codes.noAuth) throw error;
      return false;
    }
  }

  /** Refuses what would be in the way for ever: a node without a session is data, and no contender of another program (H25). */
  async assertEphemeral(key: string, paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      if (isOurs(path.slice(path.lastIndexOf('/') + 1))) continue;
      const stat = await this.#requests.stat(path);
      if (stat?.ephemeralOwner.equals(noSession)) throw foreignKey(key);
    }
  }

  /** Creates a node for the owner, and the node of the key if need be. What is known of it is kept in `creation`. */
  async create(creation: Creation): Promise<Contender> {
    const { key, owner, claim } = creation;
    const parent = this.#parentOf(key);
    // Here and not at the end of the tick, where nobody would catch what an owner that is no text throws.
    const prefix = `${parent}/${childName(owner, claim)}`;
    const onSent = (session: Session): void => {
      creation.session = session;
      creation.mayExist = true;
    };
    for (let attempt = 1; ; attempt += 1) {
      const { creating, listing } = await atEndOfTick(() => ({
        creating: this.#requests.create(prefix, modes.ephemeralSequential, onSent),
        // Sent right behind the create, it is carried out after it.
        listing: this.children(key),
      }));
      listing.catch(() => {});
      try {
        const { path, session, stat } = await creating;
        if (attempt > 1) await this.#keepOne(this.#ofOwner(await listing, key, owner), path);
        return { path, session, seen: stat ? listing.then((children) => [stat, children]) : this.#see(key, path) };
      } catch (error) {
        const path = await this.#createdDespite(error, listing, creation);
        if (path !== undefined) return { path, session: creation.session as Session, seen: this.#see(key, path) };
        if (creation.mayExist || attempt === createAttempts) throw error;
        const isParentMissing = codeOf(error) === codes.noNode;
        // At first its answer is not waited for: what is sent behind it is carried out after it.
        if (isParentMissing && attempt === 1) this.#createParent(parent).catch(() => {});
        else if (isParentMissing) await this.#createParent(parent);
        // After this answer the request is written as an old server understands it.
        else if (codeOf(error) !== codes.unimplemented) throw error;
      }
    }
  }

  /**
   * Finds a node that exists although its create failed: an error that is not a refusal does not say what was done. The listing ran
   * right after the create; if that does not help either, the leader is asked.
   */
  async #createdDespite(
    error: unknown,
    listing: Promise<readonly string[]>,
    creation: Creation,
  ): Promise<string | undefined> {
    const { key, owner } = creation;
    if (!isAnswer(error)) {
      if (wasNotSent(error)) creation.mayExist = false;
      return undefined;
    }
    const isBelievable = (children: readonly string[]): boolean =>
      children.length > 0 || codeOf(error) === codes.noNode;
    try {
      const listed = await listing.catch(() => undefined);
      const children = listed !== undefined && isBelievable(listed) ? listed : await this.freshChildren(key);
      const [path, ...others] = this.#ofOwner(children, key, owner);
      if (path === undefined) creation.mayExist = false;
      else await this.#keepOne(others, path);
      return path;
    } catch (reason) {
      // Who may not create nodes may not list them either.
      if (codeOf(error) === codes.noAuth && codeOf(reason) === codes.noAuth) creation.mayExist = false;
      return undefined;
    }
  }

  async #keepOne(paths: readonly string[], kept: string): Promise<void> {
    for (const path of paths) if (path !== kept) await this.#requests.remove(path);
  }

  /**
   * The owner's node that an earlier request has created in the session of now; removes its others. A node of an earlier session
   * dies with that session, and is not ours any more (H65).
   */
  async find(key: string, owner: string): Promise<Contender | undefined> {
    const session = await this.#requests.session();
    let found: string | undefined;
    for (const path of this.#ofOwner(await this.freshChildren(key), key, owner)) {
      if (found === undefined && isIn(session, await this.#requests.stat(path))) found = path;
      else await this.#requests.remove(path);
    }
    return found === undefined ? undefined : { path: found, session, seen: this.#see(key, found) };
  }

  /** Removes all nodes of the owner; `true` when a holder was among them. */
  async removeAll(key: string, owner: string): Promise<boolean> {
    const children = await this.freshChildren(key);
    const paths = this.#ofOwner(children, key, owner);
    if (paths.length === 0) return false;
    const queue = inOrder(children) && (await this.freshQueue(key));
    const holders = queue?.order.slice(0, queue.holders) ?? [];
    let wasHeld = false;
    for (const path of paths) {
      const removed = await this.#requests.remove(path);
      wasHeld ||= removed && holders.includes(path);
    }
    return wasHeld;
  }

  #parentOf(key: string): string {
    return `${this.#root}/${nodeName(key)}`;
  }

  #ofOwner(children: readonly string[], key: string, owner: string): string[] {
    const prefix = childPrefix(owner);
    return children.filter((child) => isChildOf(prefix, child)).map((child) => `${this.#parentOf(key)}/${child}`);
  }

  #see(key: string, path: string): Contender['seen'] {
    return Promise.all([this.#requests.stat(path), this.children(key)]);
  }
}

/**
 * Creates the node of a key, and what is above it. The node of a key is a container: the server removes it some time after its last child, so that keys used once leave nothing
 * behind (H75). A server older than 3.5 knows none; there it is a persistent node.
 */
function parentCreator(requests: Requests): (path: string) => Promise<void> {
  let containers = true;

  async function create(path: string, mode: number): Promise<void> {
    try {
      await requests.create(path, mode);
    } catch (error) {
      const code = codeOf(error);
      if (code === codes.nodeExists) return;
      const parent = path.slice(0, path.lastIndexOf('/'));
      if (code === codes.noNode && parent !== '') {
        await create(parent, modes.persistent);
        return create(path, mode);
      }
      if (mode !== modes.container || (code !== codes.badArguments && code !== codes.unimplemented)) throw error;
      containers = false;
      await create(path, modes.persistent);
    }
  }

  return (path) => create(path, containers && !requests.hasOldServers ? modes.container : modes.persistent);
}

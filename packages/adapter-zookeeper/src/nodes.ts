import type { NodeStat } from './client.ts';
import { codeOf, foreignKey } from './failures.ts';
import { childPrefix, inOrder, isChildOf, nodeName } from './names.ts';
import { modes, type Requests } from './requests.ts';
import { codes } from './server-answers.ts';
import type { Session } from './session.ts';

/** A node of ours among the contenders for a key. */
export interface Contender {
  readonly path: string;
  readonly session: Session;
  /** What was seen of it after it was created: its stat, and all contenders in their order. */
  readonly seen: Promise<[stat: NodeStat | undefined, order: readonly string[]]>;
}

/** Whether the node exists, and was created in that session. */
export const isIn = (session: Session, stat: NodeStat | undefined): stat is NodeStat =>
  stat?.ephemeralOwner.equals(session.id) ?? false;

// The server's clean-up may remove the parent between two requests of ours; even once is rare.
const parentAttempts = 5;

/**
 * Runs a function after everything else of this tick. A lock that is handed over is thus released before new contenders are
 * queued, and the server need not write them to disk first.
 */
const atEndOfTick = <T>(run: () => T): Promise<T> =>
  new Promise((resolve) => {
    process.nextTick(() => resolve(run()));
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

  /** The paths of all contenders for a key in their order, as one server sees them. */
  async contenders(key: string): Promise<string[]> {
    return this.#inOrder(key, await this.#requests.children(this.#parentOf(key)));
  }

  /** As `contenders`; nothing that the leader had done before this call is missing. */
  async freshContenders(key: string): Promise<string[]> {
    return this.#inOrder(key, await this.#requests.freshChildren(this.#parentOf(key)));
  }

  /** Creates a node for the owner, and the node of the key if need be. `onSent` is called whenever a request goes out. */
  async create(key: string, owner: string, onSent: (session: Session) => void): Promise<Contender> {
    const parent = this.#parentOf(key);
    // Here and not at the end of the tick, where nobody would catch what an owner that is no text throws.
    const prefix = `${parent}/${childPrefix(owner)}`;
    for (let attempt = 1; ; attempt += 1) {
      const { creating, listing } = await atEndOfTick(() => ({
        creating: this.#requests.create(prefix, modes.ephemeralSequential, onSent),
        // Sent right behind the create, it is carried out after it.
        listing: this.contenders(key),
      }));
      listing.catch(() => {});
      try {
        const { path, session, stat } = await creating;
        return { path, session, seen: stat ? listing.then((order) => [stat, order]) : this.#see(key, path) };
      } catch (error) {
        if (codeOf(error) !== codes.noNode || attempt === parentAttempts) throw error;
        await this.#createParent(parent);
      }
    }
  }

  /**
   * The owner's node that an earlier request has created in the session of now; removes its others. A node of an earlier session
   * dies with that session, and is not ours any more (H65).
   */
  async find(key: string, owner: string): Promise<Contender | undefined> {
    const session = await this.#requests.session();
    let found: string | undefined;
    for (const path of this.#ofOwner(await this.freshContenders(key), key, owner)) {
      if (found === undefined && isIn(session, await this.#requests.stat(path))) found = path;
      else await this.#requests.remove(path);
    }
    return found === undefined ? undefined : { path: found, session, seen: this.#see(key, found) };
  }

  /** Removes all nodes of the owner; `true` when the first contender was among them. */
  async removeAll(key: string, owner: string): Promise<boolean> {
    const parent = this.#parentOf(key);
    const children = (await this.#requests.freshChildren(parent)).map((child) => `${parent}/${child}`);
    const first = inOrder(children)?.[0];
    let wasFirst = false;
    for (const path of this.#ofOwner(children, key, owner)) {
      const removed = await this.#requests.remove(path);
      wasFirst ||= removed && path === first;
    }
    return wasFirst;
  }

  #parentOf(key: string): string {
    return `${this.#root}/${nodeName(key)}`;
  }

  #inOrder(key: string, children: readonly string[]): string[] {
    const order = inOrder(children);
    if (order === undefined) throw foreignKey(key);
    return order.map((child) => `${this.#parentOf(key)}/${child}`);
  }

  #ofOwner(paths: readonly string[], key: string, owner: string): string[] {
    const from = this.#parentOf(key).length + 1;
    const prefix = childPrefix(owner);
    return paths.filter((path) => isChildOf(prefix, path.slice(from)));
  }

  #see(key: string, path: string): Contender['seen'] {
    return Promise.all([this.#requests.stat(path), this.contenders(key)]);
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
      if (code === codes.noNode) {
        await create(path.slice(0, path.lastIndexOf('/')), modes.persistent);
        return create(path, mode);
      }
      if (mode !== modes.container || (code !== codes.badArguments && code !== codes.unimplemented)) throw error;
      containers = false;
      await create(path, modes.persistent);
    }
  }

  return (path) => create(path, containers && !requests.hasOldServers ? modes.container : modes.persistent);
}

import type { NodeStat } from './client.ts';
import { codeOf, codes, foreignKey, isAnswer } from './failures.ts';
import { childPrefix, inOrder, isChildOf, nodeName } from './names.ts';
import { parentMaker } from './parents.ts';
import { assertAlive, type Session } from './sessions.ts';
import { modes, type Zookeeper } from './zookeeper.ts';

/** An owner's node among the contenders for a key. */
export interface Place {
  readonly key: string;
  readonly path: string;
  readonly session: Session;
  /** The number of the transaction that made the node, counted over the whole ensemble: the fencing token. */
  readonly token: bigint;
  /** The node in front of ours when we looked last; `undefined` when ours is the first, which it then remains. */
  ahead: string | undefined;
  /** An `enqueue` has the place, and looks again when this is called. */
  wake: (() => void) | undefined;
}

/** The nodes of the owners of this process. */
export interface Places {
  /** How many there are, or may be. */
  readonly count: number;
  /** The owner's place, made if there is none, and looked at just now. */
  enter(key: string, owner: string): Promise<Place>;
  /** The owner's place as far as it is known here. */
  known(key: string, owner: string): Promise<Place | undefined>;
  /** Finds out what is in front of it. Rejects with `PlaceGone` when it is no more. */
  look(place: Place): Promise<void>;
  /** Removes what the owner has under the key; `true` when that was the first place. */
  leave(key: string, owner: string): Promise<boolean>;
  /** The paths of all contenders for a key in their order, as of now. */
  contenders(key: string): Promise<string[]>;
  /** Tries again to remove what could not be removed. */
  clearUp(): void;
}

/** Somebody has removed our node. */
export class PlaceGone extends Error {
  override readonly name: string = 'PlaceGone';
  constructor() {
    super('its node has been removed');
  }
}

/** A place that is being made, or stands, or may stand because a call had no answer. */
interface Entry {
  readonly key: string;
  readonly owner: string;
  place: Promise<Place>;
  doubtful: boolean;
  /** It was to be removed, without an answer. The session, and the node with it, may outlast the caller's patience (H70). */
  unwanted: boolean;
}

// The server's clean-up may remove the parent between two requests of ours; even once is rare.
const parentAttempts = 5;

export function createPlaces(zookeeper: Zookeeper, root: string): Places {
  const entries = new Map<string, Entry>();
  const makeParent = parentMaker(zookeeper);
  const parentOf = (key: string): string => `${root}/${nodeName(key)}`;
  const nameOf = (key: string, owner: string): string => `${owner.length}:${owner}${key}`;

  async function contenders(key: string, fresh?: 'fresh'): Promise<string[]> {
    const parent = parentOf(key);
    const order = inOrder(await zookeeper.children(parent, fresh));
    if (order === undefined) throw foreignKey(key);
    return order.map((child) => `${parent}/${child}`);
  }

  /** The owner's nodes, whoever made them and when. */
  const ofOwner = (order: readonly string[], key: string, owner: string): string[] => {
    const from = parentOf(key).length + 1;
    return order.filter((path) => isChildOf(childPrefix(owner), path.slice(from)));
  };

  /**
   * What stands in front of a node of ours. A server that shows our node has all that was created before it too, since
   * transactions take effect in one order everywhere: so it may show contenders that are gone, and never misses one (H74).
   */
  function aheadOf(path: string, order: readonly string[]): string | undefined {
    const index = order.indexOf(path);
    if (index < 0) throw new PlaceGone();
    return order[index - 1];
  }

  async function createNode(key: string, owner: string): Promise<{ path: string; session: Session }> {
    const parent = parentOf(key);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await zookeeper.create(`${parent}/${childPrefix(owner)}`, modes.ephemeralSequential);
      } catch (error) {
        if (codeOf(error) !== codes.noNode || attempt === parentAttempts) throw error;
        await makeParent(parent);
      }
    }
  }

  const isIn = (session: Session, stat: NodeStat | undefined): stat is NodeStat =>
    stat?.ephemeralOwner.equals(session.id) ?? false;

  /** What an earlier call without an answer may have made. A node of an earlier session dies with that: not ours any more (H65). */
  async function findNode(key: string, owner: string): Promise<{ path: string; session: Session } | undefined> {
    const session = await zookeeper.session();
    let found: string | undefined;
    for (const path of ofOwner(await contenders(key, 'fresh'), key, owner)) {
      if (found === undefined && isIn(session, await zookeeper.stat(path))) found = path;
      else await zookeeper.remove(path);
    }
    return found === undefined ? undefined : { path: found, session };
  }

  async function make(key: string, owner: string, entry: Entry, search: boolean): Promise<Place> {
    let made = search ? await findNode(key, owner) : undefined;
    try {
      made ??= await createNode(key, owner);
    } catch (error) {
      // A refusal is certain: then nothing was made.
      if (!isAnswer(error)) entry.doubtful = true;
      throw error;
    }
    entry.doubtful = true;
    const { path, session } = made;
    try {
      const [stat, order] = await Promise.all([zookeeper.stat(path), contenders(key)]);
      assertAlive(session);
      if (!isIn(session, stat)) throw new PlaceGone();
      const token = stat.czxid.readBigInt64BE();
      const place: Place = { key, path, session, token, ahead: aheadOf(path, order), wake: undefined };
      entry.doubtful = false;
      return place;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'LOCK_FOREIGN_KEY') throw error;
      await zookeeper.remove(path);
      entry.doubtful = false;
      throw error;
    }
  }

  function begin(key: string, owner: string, search: boolean): Promise<Place> {
    const name = nameOf(key, owner);
    const place = undefined as unknown as Promise<Place>;
    const entry: Entry = { key, owner, place, doubtful: search, unwanted: false };
    entries.set(name, entry);
    entry.place = make(key, owner, entry, search);
    entry.place.catch(() => {
      if (!entry.doubtful && entries.get(name) === entry) entries.delete(name);
    });
    return entry.place;
  }

  async function look(place: Place): Promise<void> {
    assertAlive(place.session);
    place.ahead = aheadOf(place.path, await contenders(place.key));
    assertAlive(place.session);
  }

  async function enter(key: string, owner: string): Promise<Place> {
    const name = nameOf(key, owner);
    for (;;) {
      const entry = entries.get(name);
      if (entry === undefined) return begin(key, owner, false);
      let place: Place;
      try {
        place = await entry.place;
      } catch (error) {
        if (!entry.doubtful) throw error;
        if (entries.get(name) !== entry) continue;
        return begin(key, owner, true);
      }
      try {
        await look(place);
        return place;
      } catch (error) {
        if (!(error instanceof PlaceGone) && !place.session.over) throw error;
        if (entries.get(name) === entry) entries.delete(name);
      }
    }
  }

  async function known(key: string, owner: string): Promise<Place | undefined> {
    return entries.get(nameOf(key, owner))?.place.catch(() => undefined);
  }

  /** Removes the owner's nodes; `true` when the first place was among them. */
  async function removeAll(key: string, owner: string): Promise<boolean> {
    const parent = parentOf(key);
    const children = (await zookeeper.children(parent, 'fresh')).map((child) => `${parent}/${child}`);
    const first = inOrder(children)?.[0];
    let wasFirst = false;
    for (const path of ofOwner(children, key, owner)) {
      const removed = await zookeeper.remove(path);
      wasFirst ||= removed && path === first;
    }
    return wasFirst;
  }

  async function remove(place: Place): Promise<boolean> {
    // The server ends a session with all its nodes.
    if (place.session.over) return false;
    return (await zookeeper.remove(place.path)) && place.ahead === undefined;
  }

  async function leave(key: string, owner: string): Promise<boolean> {
    const name = nameOf(key, owner);
    const entry = entries.get(name);
    const place = await entry?.place.catch(() => undefined);
    let wasFirst: boolean;
    try {
      wasFirst = await (place === undefined ? removeAll(key, owner) : remove(place));
    } catch (error) {
      if (entry !== undefined) entry.unwanted = true;
      throw error;
    }
    if (entries.get(name) === entry) entries.delete(name);
    place?.wake?.();
    return wasFirst;
  }

  return {
    get count() {
      return entries.size;
    },
    enter,
    known,
    look,
    leave,
    contenders: (key) => contenders(key, 'fresh'),
    clearUp() {
      for (const { key, owner, unwanted } of entries.values()) {
        if (unwanted) leave(key, owner).catch(() => {});
      }
    },
  };
}

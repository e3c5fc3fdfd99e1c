import { isLeaderRefusal } from './failures.ts';
import { createNodes, isIn } from './nodes.ts';
import { assertAlive, type Session } from './sessions.ts';
import type { Watches } from './watches.ts';
import type { Zookeeper } from './zookeeper.ts';

/** An owner's node among the contenders for a key. */
export interface Place {
  readonly key: string;
  readonly path: string;
  readonly session: Session;
  /** The number of the transaction that made the node, counted over the whole ensemble: the fencing token. */
  readonly token: bigint;
  /** The node in front of ours when we looked last; `undefined` when ours is the first, which it then remains. */
  ahead: string | undefined;
  /** An `enqueue` waits with it. */
  waiting: boolean;
  /** Ends the sleep of that `enqueue`, which then looks again. */
  wake: (() => void) | undefined;
  /** A look that is under way for it already. */
  looking: Promise<void> | undefined;
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
  /** It sleeps until the node ahead is gone; `wake` ends the sleep early. */
  sleep(place: Place, ahead: string, wake: () => void): void;
  awake(place: Place, ahead: string): void;
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

/**
 * What stands in front of a node of ours. A server that shows our node has all that was created before it too, since
 * transactions take effect in one order everywhere: so it may show contenders that are gone, and never misses one (H74).
 */
function aheadOf(path: string, order: readonly string[]): string | undefined {
  const index = order.indexOf(path);
  if (index < 0) throw new PlaceGone();
  return order[index - 1];
}

const nameOf = (key: string, owner: string): string => `${owner.length}:${owner}${key}`;

export function createPlaces(zookeeper: Zookeeper, watches: Watches, root: string): Places {
  const nodes = createNodes(zookeeper, root);
  const entries = new Map<string, Entry>();
  // By the path of the node ahead.
  const sleepers = new Map<string, Place>();

  async function make(key: string, owner: string, entry: Entry, search: boolean): Promise<Place> {
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
      if (!isIn(session, stat)) throw new PlaceGone();
      const token = stat.czxid.readBigInt64BE();
      const ahead = aheadOf(path, order);
      entry.doubtful = false;
      return { key, path, session, token, ahead, waiting: false, wake: undefined, looking: undefined };
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

  async function lookNow(place: Place): Promise<void> {
    assertAlive(place.session);
    place.ahead = aheadOf(place.path, await nodes.contenders(place.key));
    assertAlive(place.session);
  }

  async function look(place: Place): Promise<void> {
    const looking = place.looking ?? lookNow(place);
    place.looking = undefined;
    return looking;
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
        await lookNow(place);
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

  /** What `next` finds in front of it once `place`, right ahead of it, is removed. */
  async function lookAfter(next: Place, place: Place, removing: Promise<boolean>): Promise<void> {
    const removed = await removing.catch(() => false);
    // Who was right behind the first is the first, unless it has gone meanwhile; of that its own watch would have told.
    if (removed && place.ahead === undefined && watches.stands(next.path)) next.ahead = undefined;
    else await lookNow(next);
  }

  async function remove(place: Place): Promise<boolean> {
    // The server ends a session with all its nodes.
    if (place.session.over) return false;
    const removing = zookeeper.remove(place.path);
    const next = sleepers.get(place.path);
    if (next !== undefined) {
      next.looking = lookAfter(next, place, removing);
      next.looking.catch(() => {});
    }
    return (await removing) && place.ahead === undefined;
  }

  async function leave(key: string, owner: string): Promise<boolean> {
    const name = nameOf(key, owner);
    const entry = entries.get(name);
    const place = await entry?.place.catch(() => undefined);
    let wasFirst: boolean;
    try {
      wasFirst = await (place === undefined ? nodes.removeAll(key, owner) : remove(place));
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
    sleep(place, ahead, wake) {
      place.wake = wake;
      sleepers.set(ahead, place);
    },
    awake(place, ahead) {
      place.wake = undefined;
      if (sleepers.get(ahead) === place) sleepers.delete(ahead);
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

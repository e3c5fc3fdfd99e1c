import { claimOf } from './claim.ts';
import { isFinal } from './failures.ts';
import {
  type Asked,
  type Entry,
  type LockNode,
  listPosition,
  NodeRemoved,
  nameOf,
  newEntry,
  positionOf,
} from './lock-node.ts';
import { type Contender, isIn, type Nodes } from './nodes.ts';
import type { Requests } from './requests.ts';
import { RetryTimer } from './retry-timer.ts';
import { assertAlive, type Session } from './session.ts';
import { Sleepers } from './sleepers.ts';
import type { Watches } from './watches.ts';

/** The nodes of the owners of this process. */
export class LockNodes {
  readonly sleepers: Sleepers = new Sleepers();
  readonly #requests: Requests;
  readonly #watches: Watches;
  readonly #nodes: Nodes;
  readonly #entries = new Map<string, Entry>();
  readonly #retries = new RetryTimer(() => this.#retryRemovals());

  constructor(requests: Requests, watches: Watches, nodes: Nodes) {
    this.#requests = requests;
    this.#watches = watches;
    this.#nodes = nodes;
  }

  /** How many there are, or may be. */
  get count(): number {
    return this.#entries.size;
  }

  /**
   * The owner's node, created if there is none, with its position as of now. `undefined` when the owner's node is being removed:
   * one owner ID, one release.
   */
  async enter(asked: Asked): Promise<LockNode | undefined> {
    const name = nameOf(asked.key, asked.owner);
    for (;;) {
      const entry = this.#entries.get(name) ?? this.#begin(asked, name);
      const node = entry.isLeaving ? undefined : await this.#nodeOf(entry);
      // The removal may have begun while the server was asked.
      if (entry.isLeaving) return undefined;
      if (node !== undefined) return node;
    }
  }

  /** The owner's node as far as it is known here. */
  async known(key: string, owner: string): Promise<LockNode | undefined> {
    return this.#entries.get(nameOf(key, owner))?.node.catch(() => undefined);
  }

  /** Whether the owner has a node, or may have one because a request had no answer. */
  mayExist(key: string, owner: string): boolean {
    return this.#entries.has(nameOf(key, owner));
  }

  /** Finds out what is in its way. Rejects with `NodeRemoved` when it is no more. */
  async refreshPosition(node: LockNode): Promise<void> {
    const refreshing = node.refreshing ?? listPosition(this.#nodes, node);
    node.refreshing = undefined;
    return refreshing;
  }

  /** Lets a shared claim pass the exclusive one in its way if that was downgraded. */
  async passDowngraded(node: LockNode, blocker: string): Promise<boolean> {
    if (node.claim.mode !== 'shared' || !(await this.#nodes.isDowngraded(blocker))) return false;
    node.passed = blocker;
    return true;
  }

  /**
   * Removes what the owner has under the key; `true` when it held the lock. When it rejects, the removal is repeated until the node
   * is gone.
   */
  leave(key: string, owner: string): Promise<boolean> {
    const entry = this.#entries.get(nameOf(key, owner));
    if (entry === undefined) return this.#nodes.removeAll(key, owner);
    entry.isLeaving = true;
    entry.removing ??= this.#remove(entry);
    return entry.removing;
  }

  /** Removes what there may be after a definite refusal, which means that nothing is held. */
  async withdraw(key: string, owner: string): Promise<void> {
    const entry = this.#entries.get(nameOf(key, owner));
    if (entry !== undefined && !entry.isUnwanted) await this.leave(key, owner).catch(() => {});
  }

  /** The owner's node was removed by somebody else. */
  drop(key: string, owner: string, node: LockNode): void {
    const entry = this.#entries.get(nameOf(key, owner));
    if (entry?.resolved === node) this.#forget(entry);
  }

  /** The session has ended, and its nodes with it. */
  onSessionOver(session: Session): void {
    for (const entry of this.#entries.values()) {
      if (entry.session === session) this.#forget(entry);
    }
  }

  /** Repeats without delay what could not be removed. */
  onConnect(): void {
    this.#retries.reset();
    this.#retryRemovals();
  }

  close(): void {
    this.#retries.close();
  }

  #forget(entry: Entry): void {
    if (this.#entries.get(entry.name) === entry) this.#entries.delete(entry.name);
  }

  /** Searches first for what a previous request may have created. */
  #begin(asked: Asked, name: string, previous?: Entry): Entry {
    const entry = newEntry(asked, name, previous);
    this.#entries.set(name, entry);
    entry.node = this.#findOrCreate(entry, previous !== undefined);
    entry.node.catch(() => {
      if (!entry.mayExist) this.#forget(entry);
    });
    return entry;
  }

  /** The node of an entry with its position as of now; `undefined` when there is none any more, or nobody knows yet. */
  async #nodeOf(entry: Entry): Promise<LockNode | undefined> {
    const { name, isNew } = entry;
    entry.isNew = false;
    try {
      const node = await entry.node;
      if (isNew || (await this.#isStillThere(node))) return node;
      this.#forget(entry);
    } catch (error) {
      if (isNew || !entry.mayExist || entry.resolved !== undefined) throw error;
      // An earlier request had no answer: the first that asks again searches for what it may have created.
      if (this.#entries.get(name) === entry && !entry.isLeaving) this.#begin(entry, name, entry);
    }
    return undefined;
  }

  async #findOrCreate(entry: Entry, search: boolean): Promise<LockNode> {
    const { key, owner } = entry;
    const found = search ? await this.#nodes.find(key, owner) : undefined;
    if (found === undefined) entry.mayExist = false;
    return this.#accept(entry, found ?? (await this.#nodes.create(entry)));
  }

  /** Takes a node that exists for the owner's. */
  async #accept(entry: Entry, { path, session, seen }: Contender): Promise<LockNode> {
    entry.path = path;
    entry.session = session;
    entry.mayExist = true;
    const [stat, children] = await seen;
    assertAlive(session);
    if (!isIn(session, stat)) throw new NodeRemoved();
    const { key, tokens } = entry;
    const czxid = stat.czxid.readBigInt64BE();
    const claim = claimOf(path.slice(path.lastIndexOf('/') + 1));
    const position = positionOf({ key, path, passed: undefined }, children, 'is new');
    const node = { key, path, session, czxid, tokens, claim, ...position, passed: undefined, fencingToken: undefined };
    entry.resolved = { ...node, isWaiting: false, isLeaving: false, wake: undefined, refreshing: undefined };
    return entry.resolved;
  }

  /** Asks the leader, since the owner may have lost its node long ago. */
  async #isStillThere(node: LockNode): Promise<boolean> {
    try {
      await listPosition(this.#nodes, node, 'fresh');
      return true;
    } catch (error) {
      if (error instanceof NodeRemoved || node.session.over) return false;
      throw error;
    }
  }

  async #remove(entry: Entry): Promise<boolean> {
    const node = await entry.node.catch(() => undefined);
    if (node !== undefined) node.isLeaving = true;
    let wasHeld = false;
    // The server ends a session with all its nodes.
    if (entry.mayExist && !entry.session?.over) {
      try {
        wasHeld = await this.#removeNodes(entry, node);
      } catch (error) {
        entry.removing = undefined;
        this.#keepRemoving(entry, error);
        throw error;
      }
    }
    this.#forget(entry);
    node?.wake?.();
    return wasHeld;
  }

  async #removeNodes({ key, owner, path }: Entry, node: LockNode | undefined): Promise<boolean> {
    if (path === undefined) return this.#nodes.removeAll(key, owner);
    const removing = this.#requests.remove(path);
    if (node !== undefined) {
      for (const next of this.sleepers.of(path)) {
        next.refreshing = this.#refreshAfterRemoval(next, node, removing);
        next.refreshing.catch(() => {});
      }
    }
    return (await removing) && node?.blockers.length === 0;
  }

  /** What `next`, for which `node` was in the way, finds in its way once `node` is removed. */
  async #refreshAfterRemoval(next: LockNode, node: LockNode, removing: Promise<boolean>): Promise<void> {
    const removed = await removing.catch(() => false);
    // Ahead of an exclusive holder there is nobody, and between the two either. Whether `next` has gone meanwhile, its own watch
    // would have told.
    const isExclusive = node.claim.mode === 'exclusive' && next.claim.mode === 'exclusive';
    const wasAlone = isExclusive && node.blockers.length === 0;
    if (removed && wasAlone && this.#watches.isSet(next.path)) next.blockers = [];
    else await listPosition(this.#nodes, next);
  }

  /** Where the server refuses to remove the last nodes of a session, the session itself is given up. */
  #keepRemoving(entry: Entry, error: unknown): void {
    if (this.#entries.get(entry.name) !== entry) return;
    entry.isLeaving = true;
    entry.isUnwanted = true;
    const isUseless = (): boolean => [...this.#entries.values()].every(({ isUnwanted }) => isUnwanted);
    if (isFinal(error) && entry.session !== undefined && isUseless()) void this.#requests.discard(entry.session);
    else this.#retries.schedule();
  }

  #retryRemovals(): void {
    const unwanted = [...this.#entries.values()].filter(({ isUnwanted }) => isUnwanted);
    if (unwanted.length === 0) this.#retries.reset();
    // Without a connection, `onConnect` continues.
    if (!this.#requests.isConnected) return;
    for (const { key, owner } of unwanted) this.leave(key, owner).catch(() => {});
  }
}

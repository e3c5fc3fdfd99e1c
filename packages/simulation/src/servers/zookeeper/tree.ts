/** One entry of an access control list. */
export interface Acl {
  readonly permissions: number;
  readonly scheme: string;
  readonly id: string;
}

export interface ZNode {
  readonly czxid: number;
  readonly ctime: number;
  /** The session that it ends with; 0 for none, and the smallest number of 64 bits for a container. */
  readonly ephemeralOwner: bigint;
  data: Buffer | null;
  /** The newest change of its data: which transaction, when, and how many there were. */
  mzxid: number;
  mtime: number;
  version: number;
  readonly acl: readonly Acl[];
  readonly children: Set<string>;
  /** How many children were ever created: the number of the next sequential one. */
  created: number;
  /** The newest change of its children. */
  pzxid: number;
}

/** What a transaction does to the data. Transactions are decided by the leader, and then take effect in one order everywhere. */
export type Change =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly data: Buffer | null;
      readonly acl: readonly Acl[];
      readonly ephemeralOwner: bigint;
    }
  | { readonly kind: 'delete'; readonly path: string }
  | { readonly kind: 'setData'; readonly path: string; readonly data: Buffer | null }
  | { readonly kind: 'createSession'; readonly session: bigint; readonly timeoutMs: number }
  | { readonly kind: 'closeSession'; readonly session: bigint }
  | { readonly kind: 'multi'; readonly changes: readonly Change[] }
  | { readonly kind: 'none' };

export interface Transaction {
  readonly zxid: number;
  readonly time: number;
  readonly change: Change;
  /** What its sender is told. */
  readonly error: number;
  /** What the sender of several operations is told about each. */
  readonly errors?: readonly number[] | undefined;
  /** The request that it answers; none for what the leader does by itself. */
  readonly request: number | undefined;
}

export type EventType = 'created' | 'deleted' | 'changed' | 'children';

/** Tells that something has happened to a node. */
export type OnEvent = (type: EventType, path: string, acl: readonly Acl[]) => void;

export const container: bigint = -(2n ** 63n);

const everyone: readonly Acl[] = [{ permissions: 31, scheme: 'world', id: 'anyone' }];

const newNode = (zxid: number, time: number, more: Partial<ZNode> = {}): ZNode => ({
  czxid: zxid,
  ctime: time,
  ephemeralOwner: 0n,
  data: null,
  mzxid: zxid,
  mtime: time,
  version: 0,
  acl: everyone,
  children: new Set(),
  created: 0,
  pzxid: zxid,
  ...more,
});

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** The data of one server: nodes and sessions. */
export class Tree {
  readonly nodes: Map<string, ZNode>;
  /** The sessions that there are, with their time-outs. */
  readonly sessions: Map<bigint, number>;
  /** The newest transaction in it. */
  zxid = 0;
  /** The nodes that the newest transaction of several operations changed, each as that operation left it. */
  changed: readonly (ZNode | undefined)[] = [];

  constructor(nodes?: Map<string, ZNode>, sessions?: Map<bigint, number>) {
    this.nodes = nodes ?? new Map([['/', newNode(0, 0, { children: new Set(['zookeeper']), data: Buffer.alloc(0) })]]);
    this.sessions = sessions ?? new Map();
  }

  copy(): Tree {
    const nodes = [...this.nodes].map(([path, node]) => [path, { ...node, children: new Set(node.children) }] as const);
    const tree = new Tree(new Map(nodes), new Map(this.sessions));
    tree.zxid = this.zxid;
    return tree;
  }

  apply({ zxid, time, change }: Transaction, onEvent: OnEvent): void {
    this.zxid = zxid;
    this.#change(zxid, time, change, onEvent);
  }

  #change(zxid: number, time: number, change: Change, onEvent: OnEvent): void {
    switch (change.kind) {
      case 'create':
        return this.#create(zxid, time, change, onEvent);
      case 'delete':
        return this.#delete(zxid, change.path, onEvent);
      case 'setData': {
        const node = this.nodes.get(change.path)!;
        Object.assign(node, { data: change.data, mzxid: zxid, mtime: time, version: node.version + 1 });
        return onEvent('changed', change.path, node.acl);
      }
      case 'createSession':
        this.sessions.set(change.session, change.timeoutMs);
        return;
      case 'multi':
        this.changed = change.changes.map((one) => {
          this.#change(zxid, time, one, onEvent);
          const node = 'path' in one ? this.nodes.get(one.path) : undefined;
          return node && { ...node, children: new Set(node.children) };
        });
        return;
      case 'closeSession': {
        this.sessions.delete(change.session);
        const its = [...this.nodes].filter(([, { ephemeralOwner }]) => ephemeralOwner === change.session);
        for (const [path] of its) this.#delete(zxid, path, onEvent);
      }
    }
  }

  #create(
    zxid: number,
    time: number,
    { path, data, acl, ephemeralOwner }: Change & { kind: 'create' },
    onEvent: OnEvent,
  ): void {
    const parent = this.nodes.get(parentOf(path))!;
    parent.children.add(nameOf(path));
    parent.created = (parent.created + 1) | 0;
    parent.pzxid = zxid;
    this.nodes.set(path, newNode(zxid, time, { data, acl, ephemeralOwner }));
    onEvent('created', path, acl);
    onEvent('children', parentOf(path), parent.acl);
  }

  #delete(zxid: number, path: string, onEvent: OnEvent): void {
    const node = this.nodes.get(path)!;
    this.nodes.delete(path);
    const parent = this.nodes.get(parentOf(path))!;
    parent.children.delete(nameOf(path));
    parent.pzxid = zxid;
    onEvent('deleted', path, node.acl);
    onEvent('children', parentOf(path), parent.acl);
  }
}

import {
  type KeyValue,
  outOfRange,
  type RangeRequest,
  type RangeResponse,
  Refusal,
  type WatchEvent,
} from './messages.ts';

/** A key as it is kept; revisions are numbers here. */
export interface Stored {
  readonly key: Buffer;
  readonly created: number;
  readonly modified: number;
  readonly version: number;
  readonly value: Buffer;
  readonly lease: string;
}

/** One change, with what was there before. */
export interface Change {
  readonly revision: number;
  readonly key: string;
  readonly before: Stored | undefined;
  readonly after: Stored | undefined;
}

/** The keys of etcd with their revisions. */
export interface Store {
  readonly revision: number;
  readonly compacted: number;
  readonly history: readonly Change[];
  /** What a watch of the past can still tell of. */
  readonly kept: readonly Change[];
  get(key: Buffer): Stored | undefined;
  /** The keys from `key` up to `end` in their order; one key if `end` is empty. */
  within(key: Buffer, end: Buffer): Stored[];
  /** Answers a range request, as of now or as of an earlier revision. */
  range(request: RangeRequest, at?: number): RangeResponse;
  /** The keys as they were after a revision. */
  asOf(revision: number): Pick<Store, 'within'>;
  /** Makes changes that share one revision. */
  write(): Write;
  compact(revision: number): void;
}

/** A transaction under way: its reads see its writes. */
export interface Write {
  readonly revision: number;
  put(key: Buffer, value: Buffer, lease: string): void;
  delete(key: Buffer, end: Buffer): number;
  commit(): void;
}

const text = (key: Buffer): string => key.toString('latin1');
const isBefore = (a: string, b: string): boolean => a < b;

/**
 * `onCommit` is told of the changes of each revision. `forgetsDeletes`: what was deleted at the revision to which history is compacted is
 * forgotten, as etcd does before 3.5.16 (etcd-io/etcd#18089).
 */
export function createStore(onCommit: (changes: readonly Change[]) => void, forgetsDeletes = false): Store {
  const keys = new Map<string, Stored>();
  const history: Change[] = [];
  let revision = 1;
  let compacted = -1;
  let underway = 0;

  function within(key: Buffer, end: Buffer, all: ReadonlyMap<string, Stored> = keys): Stored[] {
    const from = text(key);
    if (end.length === 0) {
      const one = all.get(from);
      return one === undefined ? [] : [one];
    }
    const to = end.length === 1 && end[0] === 0 ? undefined : text(end);
    const found = [...all].filter(([name]) => !isBefore(name, from) && (to === undefined || isBefore(name, to)));
    return found.sort(([a], [b]) => (isBefore(a, b) ? -1 : 1)).map(([, stored]) => stored);
  }

  /** The keys as they were after a revision. */
  function past(at: number): ReadonlyMap<string, Stored> {
    const all = new Map(keys);
    for (const change of history.toReversed()) {
      if (change.revision <= at) break;
      if (change.before === undefined) all.delete(change.key);
      else all.set(change.key, change.before);
    }
    return all;
  }

  function change(key: string, after: Stored | undefined): Change {
    const made = { revision: revision + 1, key, before: keys.get(key), after };
    if (after === undefined) keys.delete(key);
    else keys.set(key, after);
    history.push(made);
    underway += 1;
    return made;
  }

  return {
    get revision() {
      return revision;
    },
    get compacted() {
      return compacted;
    },
    history,
    get kept() {
      const isForgotten = (change: Change): boolean =>
        forgetsDeletes && change.revision === compacted && change.after === undefined;
      return history.filter((change) => change.revision >= compacted && !isForgotten(change));
    },
    get: (key) => keys.get(text(key)),
    within: (key, end) => within(key, end),
    asOf(at) {
      const all = past(at);
      return { within: (key, end) => within(key, end, all) };
    },
    range(request, at) {
      const current = underway > 0 ? revision + 1 : revision;
      const wanted = Number(request.revision) > 0 ? Number(request.revision) : (at ?? current);
      if (wanted > current) throw new Refusal(outOfRange, 'etcdserver: mvcc: required revision is a future revision');
      if (wanted < compacted) throw new Refusal(outOfRange, 'etcdserver: mvcc: required revision has been compacted');
      const all = wanted === current ? keys : past(wanted);
      return select(request, within(request.key, request.range_end, all), at ?? current);
    },
    write() {
      const changes: Change[] = [];
      return {
        get revision() {
          return changes.length > 0 ? revision + 1 : revision;
        },
        put(key, value, lease) {
          const before = keys.get(text(key));
          const next = revision + 1;
          const { created = next, version = 0 } = before ?? {};
          changes.push(change(text(key), { key, created, modified: next, version: version + 1, value, lease }));
        },
        delete(key, end) {
          const found = within(key, end);
          for (const stored of found) changes.push(change(text(stored.key), undefined));
          return found.length;
        },
        commit() {
          underway = 0;
          if (changes.length === 0) return;
          revision += 1;
          onCommit(changes);
        },
      };
    },
    compact(at) {
      if (at <= compacted) throw new Refusal(outOfRange, 'etcdserver: mvcc: required revision has been compacted');
      if (at > revision) throw new Refusal(outOfRange, 'etcdserver: mvcc: required revision is a future revision');
      compacted = at;
    },
  };
}

/** Filters, sorts and cuts what a range has, in etcd's order of doing it. */
function select(request: RangeRequest, found: readonly Stored[], revision: number): RangeResponse {
  const { sort_order, sort_target, keys_only, count_only } = request;
  const header = { revision: String(revision) };
  const count = String(found.length);
  if (count_only) return { header, kvs: [], more: false, count };
  const limit = Number(request.limit);
  const bound = (name: 'min_mod_revision' | 'max_mod_revision' | 'min_create_revision' | 'max_create_revision') =>
    Number(request[name]);
  const least = (limitOf: number, value: number): boolean => limitOf === 0 || value >= limitOf;
  const most = (limitOf: number, value: number): boolean => limitOf === 0 || value <= limitOf;
  const kept = found.filter(
    ({ created, modified }) =>
      least(bound('min_mod_revision'), modified) &&
      most(bound('max_mod_revision'), modified) &&
      least(bound('min_create_revision'), created) &&
      most(bound('max_create_revision'), created),
  );
  const descends = sort_order === 'Descend';
  if (sort_target !== 'Key' || sort_order !== 'None') {
    const rank = ranks[sort_target];
    kept.sort((a, b) => (descends ? rank(b, a) : rank(a, b)));
  }
  const cut = limit > 0 ? kept.slice(0, limit) : kept;
  const more = limit > 0 && kept.length > limit;
  return { header, kvs: cut.map((stored) => shown(stored, keys_only)), more, count };
}

const ranks: Record<RangeRequest['sort_target'], (a: Stored, b: Stored) => number> = {
  Key: (a, b) => Buffer.compare(a.key, b.key),
  Version: (a, b) => a.version - b.version,
  Create: (a, b) => a.created - b.created,
  Mod: (a, b) => a.modified - b.modified,
  Value: (a, b) => Buffer.compare(a.value, b.value),
};

const nothing = Buffer.alloc(0);

/** A key as etcd shows it. */
function shown({ key, created, modified, version, value, lease }: Stored, keysOnly = false): KeyValue {
  return {
    key,
    create_revision: String(created),
    mod_revision: String(modified),
    version: String(version),
    value: keysOnly ? nothing : value,
    lease,
  };
}

/** A change as a watch reports it. */
export function eventOf({ revision, key, after }: Change): WatchEvent {
  if (after !== undefined) return { type: 'Put', kv: shown(after) };
  const gone = {
    key: Buffer.from(key, 'latin1'),
    created: 0,
    modified: revision,
    version: 0,
    value: nothing,
    lease: '0',
  };
  return { type: 'Delete', kv: shown(gone) };
}

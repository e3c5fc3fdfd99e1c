/** One key: a string, or something that is none. */
export interface Entry {
  readonly type: 'string' | 'list' | 'hash' | 'zset';
  readonly value: string;
  /** Of a hash its fields, of a sorted set the scores of its members. */
  readonly members?: ReadonlyMap<string, string>;
  /** By the server's clock; none: it does not expire. */
  readonly expiresAt: number | undefined;
}

/** The data of one Redis server. Strings are of one character per byte. */
export interface Store {
  /** The server's wall clock in whole ms. */
  now(): number;
  micros(): number;
  get(key: string): Entry | undefined;
  set(key: string, entry: Entry): void;
  delete(key: string): boolean;
  /** The keys that are there, in the order in which they came. */
  keys(): string[];
  clear(): void;
  /** Another store with the same data. */
  copy(): Map<string, Entry>;
  restore(data: ReadonlyMap<string, Entry>): void;
}

export function createStore(clock: () => number, onChange: (key: string, entry: Entry | undefined) => void): Store {
  const now = (): number => Math.floor(clock());
  const data = new Map<string, Entry>();
  const alive = (key: string): Entry | undefined => {
    const entry = data.get(key);
    // Redis counts a key as there in the very ms of its end.
    if (entry?.expiresAt === undefined || entry.expiresAt >= now()) return entry;
    data.delete(key);
    return undefined;
  };
  return {
    now,
    micros: () => Math.floor(clock() * 1_000),
    get: alive,
    set(key, entry) {
      data.set(key, entry);
      onChange(key, entry);
    },
    delete(key) {
      const was = alive(key) !== undefined;
      data.delete(key);
      if (was) onChange(key, undefined);
      return was;
    },
    keys: () => [...data.keys()].filter((key) => alive(key) !== undefined),
    clear: () => data.clear(),
    copy: () => new Map(data),
    restore(from) {
      data.clear();
      for (const [key, entry] of from) data.set(key, entry);
    },
  };
}

/** The keys of a lock: one for each hold and each waiter, `prefix + name + '/' + owner`. */
export interface KeyLayout {
  /** The range of all keys of a lock. */
  range(name: string): KeyRange;
  /** The key of one owner. */
  key(name: string, owner: string): string;
  /** The owner of a key of the lock. */
  ownerOf(name: string, key: Buffer): string;
}

/** The keys from `key` up to `range_end`, as etcd takes them. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

// An encoded name contains no slash, so the range of a lock never contains keys of another lock, and no two names share a range.
const encoded = (name: string): string => name.replace(/[%/]/g, (sign) => (sign === '%' ? '%25' : '%2F'));

/** The opposite of `keyLayout`: the lock that a key belongs to; `undefined` if it belongs to none. */
export function nameIn(prefix: string, key: string): string | undefined {
  const slash = key.indexOf('/', prefix.length);
  if (slash < 0 || !key.startsWith(prefix)) return undefined;
  const text = key.slice(prefix.length, slash);
  const name = text.replace(/%2F|%25/g, (code) => (code === '%25' ? '%' : '/'));
  return name !== '' && encoded(name) === text ? name : undefined;
}

/** Maps lock names and owners to keys under `prefix`; this is also how etcd's own clients lay out a mutex. */
export function keyLayout(prefix: string): KeyLayout {
  const folder = (name: string): string => `${prefix}${encoded(name)}/`;
  return {
    range(name) {
      const key = Buffer.from(folder(name));
      const range_end = Buffer.from(key);
      // '0' is the character after '/'.
      range_end[range_end.length - 1] = 0x30;
      return { key, range_end };
    },
    key: (name, owner) => folder(name) + owner,
    ownerOf: (name, key) => key.toString().slice(folder(name).length),
  };
}

/**
 * The maps and sets that a program makes while it starts, and which last for as long as it: what it keeps in them for one call has to go
 * with that call.
 */
export interface LastingCollections {
  /** What the program finds as `Map` and `Set`. */
  readonly globals: { readonly Map: typeof Map; readonly Set: typeof Set };
  /** It has started: what it makes from now on comes and goes. */
  started(): void;
  /** How much is in them, beyond what was there at the start. */
  readonly size: number;
}

export function createLastingCollections(): LastingCollections {
  const lasting: { readonly size: number }[] = [];
  let isStarting = true;
  let atStart = 0;
  const size = (): number => lasting.reduce((sum, one) => sum + one.size, 0);

  class CountedMap<K, V> extends Map<K, V> {
    constructor(entries?: Iterable<readonly [K, V]> | null) {
      super(entries);
      if (isStarting) lasting.push(this);
    }
  }
  class CountedSet<T> extends Set<T> {
    constructor(values?: Iterable<T> | null) {
      super(values);
      if (isStarting) lasting.push(this);
    }
  }

  return {
    globals: { Map: CountedMap as typeof Map, Set: CountedSet as typeof Set },
    started() {
      isStarting = false;
      atStart = size();
    },
    get size() {
      return size() - atStart;
    },
  };
}

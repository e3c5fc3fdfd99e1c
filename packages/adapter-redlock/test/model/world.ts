/** A seeded stream of random numbers (mulberry32): one seed, one schedule. */
export interface Dice {
  /** From 0 to below 1. */
  real(): number;
  below(bound: number): number;
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
}

export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const real = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (bound: number): number => Math.floor(real() * bound);
  return {
    real,
    below,
    between: (low, high) => low + real() * (high - low),
    chance: (probability) => real() < probability,
    pick: (from) => from[below(from.length)]!,
  };
}

interface Event {
  at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** True time, which nobody in the simulation can read, and what happens in it. */
export interface World {
  readonly now: number;
  /** Runs `run` after `ms` of true time; gives a function that cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Runs until nothing is left to happen, or `until`. */
  run(until: number): void;
}

export function createWorld(): World {
  const heap: Event[] = [];
  let now = 0;
  let order = 0;

  const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(event: Event): void {
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
  }

  function pop(): Event {
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  return {
    get now() {
      return now;
    },
    after(ms, run) {
      const event: Event = { at: now + ms, order: order++, run };
      push(event);
      return () => {
        event.run = undefined;
      };
    },
    run(until) {
      while (heap.length > 0 && heap[0]!.at <= until) {
        const event = pop();
        now = event.at;
        event.run?.();
      }
    },
  };
}

import type { Clock } from './platform.ts';

/** Something that happens at a time; it may be in the timers once. */
export interface TimedEntry {
  /** Monotonic ms; set by the timers. */
  at: number;
  /** Place in the heap, -1 outside; set by the timers. */
  heapIndex: number;
  /** Called once `at` has come, with the entry already out of the timers. */
  fire(now: number): void;
}

// setTimeout turns delays past 2^31-1 ms into 1 ms: a busy loop (H9). Longer waits are split.
const longestTimerMs = 2 ** 30;

// With four children to a node there are half as many levels, and each level touches an entry somewhere in memory.
const children = 4;

/**
 * Everything in one `Locks` that waits for a time, on one timer of the clock. An entry that comes and goes (most do) costs a
 * few steps in a heap; the timer may fire early rather than be re-armed for each entry.
 */
export class TimerHeap {
  readonly #clock: Clock;
  readonly #heap: TimedEntry[] = [];
  // The times side by side, because they are compared most.
  readonly #times: number[] = [];
  #timer: unknown;
  #armedFor = Number.POSITIVE_INFINITY;
  #open = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds the entry, or moves it. */
  set(entry: TimedEntry, at: number): void {
    if (!this.#open || (entry.heapIndex >= 0 && entry.at === at)) return;
    entry.at = at;
    if (entry.heapIndex >= 0) this.#sift(entry, entry.heapIndex);
    else this.#up(entry, this.#heap.length);
    this.#arm();
  }

  clear(entry: TimedEntry): void {
    const index = entry.heapIndex;
    if (index < 0) return;
    entry.heapIndex = -1;
    const last = this.#heap.pop() as TimedEntry;
    this.#times.pop();
    if (last !== entry) this.#sift(last, index);
  }

  /** Accepts nothing more, and fires everything that still waits, so that no promise stays open. */
  close(): void {
    this.#open = false;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    const now = this.#clock.now();
    this.#times.length = 0;
    for (const entry of this.#heap.splice(0)) {
      entry.heapIndex = -1;
      entry.fire(now);
    }
  }

  #place(entry: TimedEntry, index: number): void {
    this.#heap[index] = entry;
    this.#times[index] = entry.at;
    entry.heapIndex = index;
  }

  #up(entry: TimedEntry, from: number): void {
    let index = from;
    while (index > 0) {
      const parent = Math.floor((index - 1) / children);
      if ((this.#times[parent] as number) <= entry.at) break;
      this.#place(this.#heap[parent] as TimedEntry, index);
      index = parent;
    }
    this.#place(entry, index);
  }

  #down(entry: TimedEntry, from: number): void {
    const times = this.#times;
    let index = from;
    for (;;) {
      const begin = children * index + 1;
      const end = Math.min(begin + children, times.length);
      let first = begin;
      for (let child = begin + 1; child < end; child += 1) {
        if ((times[child] as number) < (times[first] as number)) first = child;
      }
      if (begin >= end || (times[first] as number) >= entry.at) break;
      this.#place(this.#heap[first] as TimedEntry, index);
      index = first;
    }
    this.#place(entry, index);
  }

  #sift(entry: TimedEntry, index: number): void {
    if (index > 0 && (this.#times[Math.floor((index - 1) / children)] as number) > entry.at) this.#up(entry, index);
    else this.#down(entry, index);
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#armedFor) return;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#armedFor = first.at;
    const delayMs = Math.ceil(Math.max(0, first.at - this.#clock.now()));
    this.#timer = this.#clock.setTimeout(this.#wake, Math.min(delayMs, longestTimerMs));
  }

  readonly #wake = (): void => {
    this.#timer = undefined;
    // Until the due entries have fired, `set` must not arm: the loop below and the `arm` after it see every entry.
    this.#armedFor = Number.NEGATIVE_INFINITY;
    const now = this.#clock.now();
    try {
      for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
        this.clear(first);
        first.fire(now);
      }
    } finally {
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#arm();
    }
  };
}

/** An entry that shares its time with others once it is `grouped`. */
export interface GroupedEntry extends TimedEntry {
  readonly grouped: boolean;
  /** Nothing more happens for it. */
  readonly over: boolean;
  group: TimerGroup | undefined;
  groupIndex: number;
}

/** Entries with one time. */
export interface TimerGroup extends TimedEntry {
  readonly entries: GroupedEntry[];
}

export interface GroupedTimers {
  set(entry: GroupedEntry, at: number): void;
  clear(entry: GroupedEntry): void;
}

/**
 * Leases that were renewed together have their times together from then on: thousands of them are one entry of the heap.
 * A lease that was never renewed has an entry of its own, since most are released before that.
 */
export function createGroupedTimers(timers: TimerHeap): GroupedTimers {
  const groups = new Map<number, TimerGroup>();

  function newGroup(at: number): TimerGroup {
    const entries: GroupedEntry[] = [];
    const fire = (now: number): void => {
      groups.delete(at);
      for (const entry of entries) entry.group = undefined;
      fireAll(entries, now);
    };
    const group: TimerGroup = { at, heapIndex: -1, entries, fire };
    groups.set(at, group);
    timers.set(group, at);
    return group;
  }

  function fireAll(entries: readonly GroupedEntry[], now: number): void {
    let fired = 0;
    try {
      for (const entry of entries) {
        fired += 1;
        // One may be ended by what another one causes.
        if (!entry.over) entry.fire(now);
      }
    } finally {
      // A failure of one must not cost the others their time.
      for (const entry of entries.slice(fired)) if (!entry.over) timers.set(entry, now);
    }
  }

  function leave(entry: GroupedEntry, group: TimerGroup): void {
    entry.group = undefined;
    const last = group.entries.pop() as GroupedEntry;
    if (last !== entry) {
      group.entries[entry.groupIndex] = last;
      last.groupIndex = entry.groupIndex;
    }
    if (group.entries.length > 0) return;
    groups.delete(group.at);
    timers.clear(group);
  }

  function clear(entry: GroupedEntry): void {
    timers.clear(entry);
    if (entry.group !== undefined) leave(entry, entry.group);
  }

  return {
    set(entry, at) {
      if (!entry.grouped) return timers.set(entry, at);
      clear(entry);
      const group = groups.get(at) ?? newGroup(at);
      entry.group = group;
      entry.groupIndex = group.entries.push(entry) - 1;
    },
    clear,
  };
}

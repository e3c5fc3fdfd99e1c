import type { Random } from '../random.ts';

/** Something that will happen at a moment of virtual time. */
export interface Scheduled {
  readonly at: number;
  cancelled: boolean;
}

interface Entry extends Scheduled {
  readonly order: number;
  readonly run: () => void;
}

/** Virtual time, and everything that is to happen in it. Time stands still while code runs. */
export interface World {
  /** Virtual ms since the beginning of the simulation. */
  readonly now: number;
  readonly random: Random;
  /** How many events have run. */
  readonly steps: number;
  at(time: number, run: () => void): Scheduled;
  after(delayMs: number, run: () => void): Scheduled;
  /** Runs events in order until `isOver` says so or nothing is left. `afterEach` is called when all promises have settled. */
  run(isOver: () => boolean, afterEach: () => void): Promise<void>;
}

/** So many events are prepared at once: the event loop is turned once for all of them. */
const batch = 64;

export function createWorld(random: Random): World {
  const heap = createHeap();
  let now = 0;
  let order = 0;
  let steps = 0;

  const at = (time: number, run: () => void): Scheduled => {
    const entry: Entry = { at: Math.max(time, now), order: order++, run, cancelled: false };
    heap.push(entry);
    return entry;
  };

  function step(): boolean {
    let entry = heap.pop();
    while (entry?.cancelled) entry = heap.pop();
    if (entry === undefined) return false;
    now = entry.at;
    steps += 1;
    entry.run();
    return true;
  }

  return {
    get now() {
      return now;
    },
    get steps() {
      return steps;
    },
    random,
    at,
    after: (delayMs, run) => at(now + Math.max(0, delayMs), run),
    run(isOver, afterEach) {
      return new Promise((resolve, reject) => {
        let over = false;
        const end = (finish: () => void): void => {
          over = true;
          finish();
        };
        // Node settles all promises and ticks between two immediates, so each event sees the end of the one before it.
        const turn = (last: boolean): void => {
          if (over) return;
          try {
            if (steps > 0) afterEach();
            if (isOver() || !step()) return end(resolve);
          } catch (error) {
            return end(() => reject(error));
          }
          if (last) queueTurns();
        };
        const queueTurns = (): void => {
          for (let i = 1; i < batch; i++) setImmediate(turn, false);
          setImmediate(turn, true);
        };
        queueTurns();
      });
    },
  };
}

function createHeap(): { push(entry: Entry): void; pop(): Entry | undefined } {
  const entries: Entry[] = [];
  const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
  return {
    push(entry) {
      let i = entries.length;
      entries.push(entry);
      while (i > 0) {
        const parent = (i - 1) >> 1;
        if (!before(entry, entries[parent]!)) break;
        entries[i] = entries[parent]!;
        i = parent;
      }
      entries[i] = entry;
    },
    pop() {
      const first = entries[0];
      const last = entries.pop();
      if (first === undefined || last === undefined || entries.length === 0) return first;
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= entries.length) break;
        if (child + 1 < entries.length && before(entries[child + 1]!, entries[child]!)) child += 1;
        if (!before(entries[child]!, last)) break;
        entries[i] = entries[child]!;
        i = child;
      }
      entries[i] = last;
      return first;
    },
  };
}

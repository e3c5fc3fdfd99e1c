import type { World } from '../../engine/world.ts';
import type { Entry } from './store.ts';

/** A replica: the data of its master, some time later. */
export interface Replica {
  /** How many writes it has. */
  readonly applied: number;
  readonly data: ReadonlyMap<string, Entry>;
  /** While it is paused it gets nothing. */
  pause(ms: number): void;
  apply(key: string, entry: Entry | undefined, offset: number): void;
  resync(data: ReadonlyMap<string, Entry>, offset: number): void;
}

export function createReplica(world: World, lagMs: () => number): Replica {
  let applied = 0;
  let data = new Map<string, Entry>();
  let last = 0;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let pausedUntil = 0;
  let generation = 0;
  return {
    get applied() {
      return applied;
    },
    get data() {
      return data;
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, world.now + ms);
    },
    apply(key, entry, offset) {
      // What one script writes arrives as a whole.
      if (world.now > writtenAt) last = Math.max(last, pausedUntil, world.now + lagMs());
      writtenAt = world.now;
      const mine = generation;
      world.at(last, () => {
        if (mine !== generation) return;
        applied = offset;
        if (entry === undefined) data.delete(key);
        else data.set(key, entry);
      });
    },
    resync(from, offset) {
      generation += 1;
      applied = offset;
      data = new Map(from);
    },
  };
}

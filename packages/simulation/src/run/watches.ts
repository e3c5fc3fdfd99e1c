import type { Machine } from '../engine/machine.ts';
import type { Failure } from './held.ts';

/** One `watch` of an application. */
interface Watched {
  readonly key: string;
  readonly name: string;
  readonly machine: Machine;
  /** Undefined before the first look; then the owner that it was shown, or `free`. */
  seen: string | undefined;
}

/** What those who watch keys were shown last. */
export interface Watches {
  begin(key: string, name: string, machine: Machine): { saw(owner: string | undefined): void; end(): void };
  /** The key has been held by this owner ID, or free, for so long. `exact`: it is held by one owner at most. */
  look(key: string, owner: string | undefined, forMs: number, exact: boolean): void;
}

/** Judges watches: a change is shown within `limitMs`. */
export function createWatches(fail: (rule: Failure['rule'], message: string) => void, limitMs: number): Watches {
  const open = new Set<Watched>();
  return {
    begin(key, name, machine) {
      const watched: Watched = { key, name, machine, seen: undefined };
      open.add(watched);
      return {
        saw(owner) {
          watched.seen = owner ?? 'free';
        },
        end: () => void open.delete(watched),
      };
    },
    look(key, owner, forMs, exact) {
      const is = owner ?? 'free';
      for (const { key: of, name, machine, seen } of open) {
        if (of !== key || seen === undefined || machine.state !== 'running' || forMs <= limitMs) continue;
        const isRight = exact ? seen === is : (seen === 'free') === (is === 'free');
        if (!isRight)
          fail('wrong answer', `${name} sees ${seen} at ${key}, which has been ${is} for ${Math.round(forMs)} ms`);
      }
    },
  };
}

import { type Held, isOwn } from './held.ts';

/** Whether the backend keeps a key for the grace of a hold that was lost and not released. */
export interface Graces {
  lost(held: Held, at: number): void;
  /** The key may be free at once for this hold: it was released, and those who re-entered it with it. */
  over(held: Held): void;
  /** So may all keys: closed, or forgotten by the server. */
  allOver(): void;
  /** Somebody forces out whoever holds it when the request arrives, and has perhaps not held it yet. */
  forced(key: string): void;
  granted(held: Held): void;
}

export function createGraces(fail: (message: string) => void, now: () => number): Graces {
  const kept = new Map<Held, number>();
  const forced = new Set<string>();
  const grantedAt = new Map<string, { any: number; writer: number }>();
  const forget = (isOver: (held: Held) => boolean): void => {
    for (const held of [...kept.keys()]) if (isOver(held)) kept.delete(held);
  };
  return {
    lost(held, at) {
      const { key } = held.step;
      const { graceMs } = held.terms;
      // Beside a permit others may hold the key all the while, and beside a reader other readers.
      if (held.lock.mode === 'permits' || graceMs === 0 || forced.has(key) || !isOwn(held)) return;
      // Past the end of the lease in the backend there may have been others meanwhile.
      const { any = 0, writer = 0 } = grantedAt.get(key) ?? {};
      if (held.lock.mode === 'shared' ? writer > held.grantedAt : any !== held.grantedAt) return;
      // The clocks of the processes and of the server differ by a little.
      kept.set(held, at + graceMs * 0.97 - 50);
    },
    over(held) {
      forget((one) => one.step.key === held.step.key && one.identity === held.identity);
    },
    allOver() {
      kept.clear();
    },
    forced(key) {
      forced.add(key);
      forget((held) => held.step.key === key);
    },
    granted(held) {
      const { key } = held.step;
      const isReader = held.lock.mode === 'shared';
      for (const [before, until] of kept) {
        if (before.step.key !== key || (isReader && before.lock.mode === 'shared')) continue;
        kept.delete(before);
        if (before.identity === held.identity || now() >= until) continue;
        fail(
          `${held.name} is granted ${key} ${Math.round(until - now())} ms before the grace of ${before.name} is over`,
        );
      }
      const last = grantedAt.get(key);
      grantedAt.set(key, { any: held.grantedAt, writer: isReader ? (last?.writer ?? 0) : held.grantedAt });
    },
  };
}

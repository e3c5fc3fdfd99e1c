import { type Held, isOwn } from './held.ts';

/** Whether the backend keeps a key for the grace of a hold that was lost and not released. */
export interface Graces {
  lost(held: Held, at: number): void;
  /** It may be free at once: released, closed, or forgotten by the server. */
  over(key?: string): void;
  /** Somebody forces out whoever holds it when the request arrives, and has perhaps not held it yet. */
  forced(key: string): void;
  granted(held: Held): void;
}

export function createGraces(fail: (message: string) => void, now: () => number): Graces {
  const kept = new Map<string, { readonly held: Held; readonly until: number }>();
  const forced = new Set<string>();
  const grantedAt = new Map<string, number>();
  return {
    lost(held, at) {
      const { key } = held.step;
      const { graceMs, maxHoldMs } = held.terms;
      // Beside a shared lock or a permit others may hold the key all the while.
      if (held.lock.mode !== 'exclusive') return;
      // Past the end of the lease in the backend there may have been others meanwhile.
      const isLast = grantedAt.get(key) === held.grantedAt;
      if (graceMs === 0 || maxHoldMs !== Number.POSITIVE_INFINITY || forced.has(key) || !isOwn(held) || !isLast) return;
      // The clocks of the processes and of the server differ by a little.
      kept.set(key, { held, until: at + graceMs * 0.97 - 50 });
    },
    over(key) {
      if (key === undefined) kept.clear();
      else kept.delete(key);
    },
    forced(key) {
      forced.add(key);
      kept.delete(key);
    },
    granted(held) {
      const { key } = held.step;
      const before = kept.get(key);
      if (before !== undefined && before.held.identity !== held.identity && now() < before.until) {
        fail(
          `${held.name} is granted ${key} ${Math.round(before.until - now())} ms before the grace of ${before.held.name} is over`,
        );
      }
      kept.delete(key);
      grantedAt.set(key, held.grantedAt);
    },
  };
}

import type { Failure } from './held.ts';

/** What is written beside a lock through a guard. */
export interface Writes {
  granted(key: string, token: bigint | undefined): void;
  /** A write is asked for: the answer that it was refused must be true. */
  asksToWrite(key: string, token: bigint): void;
  /** A guard refused a write, or a look. */
  refusedWrite(key: string, token: bigint, name: string, isLook: boolean): void;
  /** What stands beside the lock now. */
  sawWrite(key: string, token: string | undefined): void;
}

/** Judges the guards, as long as no server has forgotten anything. */
export function createWrites(
  fail: (rule: Failure['rule'], message: string) => void,
  hasForgotten: () => boolean,
): Writes {
  const highest = new Map<string, bigint>();
  const written = new Map<string, string>();
  const asked = new Map<string, number>();
  const seen = new Set<string>();
  return {
    granted(key, token) {
      if (token !== undefined && token > (highest.get(key) ?? 0n)) highest.set(key, token);
    },
    asksToWrite(key, token) {
      const write = `${key} ${token}`;
      asked.set(write, (asked.get(write) ?? 0) + 1);
    },
    refusedWrite(key, token, name, isLook) {
      const write = `${key} ${token}`;
      // Readers look with the token of the writer before them, whose write it may be.
      if (!isLook && asked.get(write) === 1 && seen.has(write))
        fail('wrong answer', `the guard refused ${name}, and its write with the token ${token} was there`);
      if (!hasForgotten() && token >= (highest.get(key) ?? token))
        fail('wrong answer', `the guard refused ${name}, and no token is higher than its ${token}`);
    },
    sawWrite(key, token) {
      const before = written.get(key);
      if (token === undefined || token === before) return;
      if (before !== undefined && BigInt(token) < BigInt(before) && !hasForgotten())
        fail('stale write', `the write of token ${before} for ${key} was overwritten with that of token ${token}`);
      written.set(key, token);
      seen.add(`${key} ${token}`);
    },
  };
}

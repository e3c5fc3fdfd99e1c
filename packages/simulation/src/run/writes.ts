import type { Failure } from './held.ts';

/** What is written beside a lock through a guard. */
export interface Writes {
  granted(key: string, token: bigint | undefined): void;
  /** A guard refused a write. */
  refusedWrite(key: string, token: bigint, name: string): void;
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
  return {
    granted(key, token) {
      if (token !== undefined && token > (highest.get(key) ?? 0n)) highest.set(key, token);
    },
    refusedWrite(key, token, name) {
      if (!hasForgotten() && token >= (highest.get(key) ?? token))
        fail('wrong answer', `the guard refused ${name}, and no token is higher than its ${token}`);
    },
    sawWrite(key, token) {
      const before = written.get(key);
      if (token === undefined || token === before) return;
      if (before !== undefined && BigInt(token) < BigInt(before) && !hasForgotten())
        fail('stale write', `the write of token ${before} for ${key} was overwritten with that of token ${token}`);
      written.set(key, token);
    },
  };
}

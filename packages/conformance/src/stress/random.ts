import { createHash } from 'node:crypto';

/** Numbers in [0, 1) that depend on the seed alone (mulberry32), and what is drawn with them. */
export interface Random {
  next(): number;
  /** From `low` to below `high`. */
  between(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
}

/** Makes a source of random numbers for a seed of any form. */
export function randomFrom(seed: string): Random {
  let state = createHash('sha256').update(seed).digest().readUInt32LE();
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    pick: (items) => items[Math.floor(next() * items.length)]!,
  };
}

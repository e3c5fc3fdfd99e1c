/** A seeded source of numbers. Everything in a simulation that is left to chance is drawn from one. */
export interface Random {
  /** A number from 0 to below 1. */
  next(): number;
  /** A whole number, both ends included. */
  int(least: number, most: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A number whose magnitude is uniform: from 10 to 10,000, as many below 100 as above 1,000. */
  spread(least: number, most: number): number;
  /** A source of its own, which depends on this one's seed and the name only, never on what was drawn before. */
  fork(name: string): Random;
}

/** A source for a seed; the same seed gives the same numbers on every machine. */
export function createRandom(seed: string | number): Random {
  let state = hash(String(seed));
  // mulberry32: 32 bits of state are enough for a schedule, and it costs a few nanoseconds.
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    next,
    int: (least, most) => least + Math.floor(next() * (most - least + 1)),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(next() * items.length)]!,
    spread: (least, most) => Math.exp(Math.log(least) + next() * (Math.log(most) - Math.log(least))),
    fork: (name) => createRandom(`${seed}/${name}`),
  };
}

/** FNV-1a, with a last mix so that neighbouring seeds have nothing in common. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  return (value ^ (value >>> 16)) | 0;
}

import type { Locks } from '@holdfast/lock-core';
import { sleep } from './helpers.ts';

/** Each has one task that takes the key again and again at once; who held it, in order. */
export async function turnsOf(all: readonly Locks[], key: string, eachMany: number): Promise<number[]> {
  const turns: number[] = [];
  const over = new AbortController();
  const task = async (locks: Locks, i: number): Promise<void> => {
    for (let turn = 0; turn < eachMany && !over.signal.aborted; turn += 1) {
      await using _lock = await locks.acquire(key);
      turns.push(i);
      await sleep(5);
    }
    // Who is alone at the end takes turns with nobody.
    over.abort();
  };
  await Promise.all(all.map(task));
  return turns;
}

/** How many of the turns went to another than the turn before. */
export const passedOn = (turns: readonly number[]): number =>
  turns.filter((who, i) => i > 0 && who !== turns[i - 1]).length / turns.length;

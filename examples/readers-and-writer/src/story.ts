import { setTimeout as sleep } from 'node:timers/promises';
import type { Locks } from 'holdfast';

/** A price list in two files, say: a net price and a gross price, which are written and read one after the other. */
interface PriceList {
  net: number;
  gross: number;
}

/** How the readers and the writer use the lock. */
export type Manner = 'no lock' | 'exclusive' | 'shared';

/** What the readers saw. */
export interface Outcome {
  readonly manner: Manner;
  readonly reads: number;
  /** Reads whose two prices did not belong together. */
  readonly torn: number;
  /** The most readers that were at it at once. */
  readonly atOnce: number;
  /** The prices that were written by the time that the last reader was done. */
  readonly written: number;
  readonly ms: number;
}

const readers = 12;
const rounds = 3;
// Shorter than a change, so that the first readers are sure to see half of one.
const readMs = 2;
const writeMs = 10;

const key = 'price-list';

/** Twelve readers read the list three times each, while a writer changes the prices. */
export async function play(locks: Locks, manner: Manner): Promise<Outcome> {
  const list: PriceList = { net: 0, gross: 0 };
  const seen = { reads: 0, torn: 0, atOnce: 0, written: 0 };
  let reading = 0;

  const read = async (): Promise<void> => {
    seen.atOnce = Math.max(seen.atOnce, ++reading);
    const { net } = list;
    await sleep(readMs);
    const { gross } = list;
    reading--;
    seen.reads++;
    if (gross !== net) seen.torn++;
  };
  const write = async (): Promise<void> => {
    list.net++;
    await sleep(writeMs);
    list.gross++;
    seen.written++;
  };
  const reader = async (): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      if (manner === 'no lock') await read();
      else await locks.using(key, { mode: manner }, read);
    }
  };

  let over = false;
  const writer = async (): Promise<void> => {
    while (!over) {
      if (manner === 'no lock') await write();
      else await locks.using(key, write);
    }
  };

  const begin = performance.now();
  const writing = writer();
  await Promise.all(Array.from({ length: readers }, reader));
  const ms = performance.now() - begin;
  over = true;
  await writing;
  return { manner, ...seen, ms };
}

/** Whether the shared lock let the readers in together, never beside the writer, and kept neither waiting for long. */
export function isRight([without, exclusive, shared]: readonly Outcome[]): boolean {
  if (without === undefined || exclusive === undefined || shared === undefined) return false;
  const whole = exclusive.torn === 0 && shared.torn === 0;
  return without.torn > 0 && whole && exclusive.atOnce === 1 && shared.atOnce > 1 && shared.written > 0;
}

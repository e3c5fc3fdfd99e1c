import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lock, Locks } from 'holdfast';
import type { Stock } from './stock.ts';

/** What the buyers of one process saw. */
export interface BuyersReport {
  /** How long each acquisition took, in ms. */
  readonly waitedMs: number[];
  /** How many found the lock busy. */
  readonly waits: number;
  readonly firstToken: bigint | undefined;
}

/**
 * Lets `count` buyers in at once. Each looks at the stock, pays, and writes what is left: three awaits, with the other
 * buyers in between. `locks` undefined: without a lock.
 */
export async function serveBuyers(
  count: number,
  stock: Stock,
  locks: Locks | undefined,
  key: string,
  served: () => void,
): Promise<BuyersReport> {
  const waitedMs: number[] = [];
  let waits = 0;
  let firstToken: bigint | undefined;
  const countWait = () => {
    waits++;
  };
  subscribe('holdfast:wait', countWait);

  const buyUnderLock = async (open: Locks): Promise<void> => {
    const begin = performance.now();
    await open.using(key, { waitMs: 60_000 }, async (lock) => {
      waitedMs.push(performance.now() - begin);
      firstToken ??= lock.fencingToken;
      await buy(stock, lock);
    });
  };
  const buyers = Array.from({ length: count }, async () => {
    await (locks === undefined ? buy(stock) : buyUnderLock(locks));
    served();
  });
  try {
    await Promise.all(buyers);
  } finally {
    unsubscribe('holdfast:wait', countWait);
  }
  return { waitedMs, waits, firstToken };
}

async function buy(stock: Stock, lock?: Lock): Promise<void> {
  const left = await stock.read();
  if (left === 0) return;
  await sleep(1); // the payment
  await stock.write(left - 1, lock?.fencingToken);
}

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lock, Locks } from 'holdfast';
import type { Stock } from './stock.ts';

/** What the buyers of one process saw. */
export interface BuyersReport {
  /** How long each acquisition took, in ms. */
  readonly waitedMs: number[];
  /** How often one found the lock busy and took a place in the queue. */
  readonly waits: number;
  readonly firstToken: bigint | undefined;
  /** From the first buyer's coming to the last one's going. */
  readonly seconds: number;
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
  const waiting = new Set<string>();
  let firstToken: bigint | undefined;
  const noteWait = (event: unknown) => {
    waiting.add((event as { owner: string }).owner);
  };
  subscribe('holdfast:wait', noteWait);
  const start = performance.now();

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
    unsubscribe('holdfast:wait', noteWait);
  }
  return { waitedMs, waits: waiting.size, firstToken, seconds: (performance.now() - start) / 1000 };
}

async function buy(stock: Stock, lock?: Lock): Promise<void> {
  const left = await stock.read();
  if (left === 0) return;
  await sleep(10); // the payment
  await stock.write(left - 1, lock?.fencingToken);
}

import { randomUUID } from 'node:crypto';
import { type Locks, openLocks } from 'holdfast';
import { type BuyersReport, serveBuyers } from './buyers.ts';
import { openStock } from './stock.ts';
import { sellWithWorkers } from './workers.ts';

export const items = 100;
export const buyers = 1_000;

/** One run of the sale, with or without the lock. */
export interface SaleResult {
  readonly sold: number;
  readonly seconds: number;
  /** How often somebody found the lock busy and took a place in the queue. */
  readonly waits: number;
  /** The time from asking for the lock to having it, in ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** What the stock said to a write with the first token after the sale; `undefined` where there are no tokens. */
  readonly lateWrite: 'sold' | 'refused' | undefined;
  /** Writes that the stock refused during the sale: a holder that had lost its lock without noticing. */
  readonly refused: number;
}

/** Runs the sale in this process (1) or in that many worker processes, which open the locks of `url` themselves. */
export async function runSale(
  url: string,
  processes: number,
  locked: boolean,
  served: () => void,
): Promise<SaleResult> {
  const stock = openStock(items);
  const key = `flash-sale:${randomUUID().slice(0, 8)}`;
  const reports =
    processes === 1
      ? [await sellHere(url, locked, (locks) => serveBuyers(buyers, stock, locks, key, served))]
      : await sellWithWorkers(processes, buyers, url, locked, key, stock, served);
  const { sold, refused } = stock;

  const waitedMs = reports.flatMap((report) => report.waitedMs).sort((a, b) => a - b);
  const tokens = reports.map((report) => report.firstToken).filter((token) => token !== undefined);
  const first = tokens.sort((a, b) => (a < b ? -1 : 1))[0];
  return {
    sold,
    refused,
    seconds: Math.max(...reports.map((report) => report.seconds)),
    waits: reports.reduce((sum, report) => sum + report.waits, 0),
    p50Ms: quantile(waitedMs, 0.5),
    p99Ms: quantile(waitedMs, 0.99),
    lateWrite: first === undefined ? undefined : await stock.write(0, first),
  };
}

async function sellHere(
  url: string,
  locked: boolean,
  sell: (locks: Locks | undefined) => Promise<BuyersReport>,
): Promise<BuyersReport> {
  if (!locked) return sell(undefined);
  await using locks = await openLocks(url);
  return await sell(locks);
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

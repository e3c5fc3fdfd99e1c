import { setImmediate as turn } from 'node:timers/promises';

/** The store of the shop, as its clients see it: two calls, each of which takes its time, and nothing that joins them. */
export interface Stock {
  read(): Promise<number>;
  /** Writes what is left after one sale. A fencing token lower than one seen before is refused. */
  write(left: number, fencingToken: bigint | undefined): Promise<'sold' | 'refused'>;
}

/** The stock itself, and what became of it. */
export interface StockRoom extends Stock {
  readonly sold: number;
  readonly refused: number;
}

export function openStock(items: number): StockRoom {
  let left = items;
  let highest = 0n;
  const room = {
    sold: 0,
    refused: 0,
    async read() {
      await turn();
      return left;
    },
    async write(next: number, fencingToken: bigint | undefined) {
      await turn();
      if (fencingToken !== undefined && fencingToken < highest) {
        room.refused++;
        return 'refused' as const;
      }
      highest = fencingToken ?? highest;
      left = next;
      room.sold++;
      return 'sold' as const;
    },
  };
  return room;
}

import { randomUUID } from 'node:crypto';
import { type Stage, startWorker, type Worker } from '@holdfast/example-kit';

/** An order that the group got from a leader. */
export interface Order {
  readonly leader: string;
  readonly term: bigint;
  readonly obeyed: boolean;
}

/** A group whose members stand for election, and which obeys nobody of a lower term than it has seen. */
export interface Group {
  readonly members: ReadonlyMap<string, Worker>;
  readonly orders: readonly Order[];
  /** Resolves when all members stand for election. */
  readonly complete: Promise<void>;
  /** Takes an order unless it comes under a term lower than one seen before. */
  take(leader: string, term: bigint): boolean;
  /** Resolves with the first order that fits, of those to come. */
  next(fits: (order: Order) => boolean): Promise<Order>;
  /** Called when a leader thinks of an order, before it gives it; it waits for the return. */
  onThought: (leader: string) => void;
}

export function openGroup(stage: Stage, names: readonly string[]): Group {
  const orders: Order[] = [];
  const waiting = new Set<(order: Order) => void>();
  let highest = 0n;
  let standing = 0;
  let allStand = (): void => {};
  const complete = new Promise<void>((resolve) => {
    allStand = resolve;
  });
  function take(leader: string, term: bigint): boolean {
    const obeyed = term >= highest;
    if (obeyed) highest = term;
    const order = { leader, term, obeyed };
    orders.push(order);
    for (const tell of waiting) tell(order);
    return obeyed;
  }
  const handlers = {
    order: take,
    thinks: (leader: string) => group.onThought(leader),
    standing: () => {
      if (++standing === names.length) allStand();
    },
  };
  const id = randomUUID().slice(0, 8);
  const start = (name: string) =>
    startWorker(stage, new URL('./member.ts', import.meta.url), [stage.url, id, name], handlers);
  const group: Group = {
    members: new Map(names.map((name) => [name, start(name)])),
    orders,
    complete,
    take,
    onThought: () => {},
    next: (fits) =>
      new Promise((resolve) => {
        const look = (order: Order) => {
          if (!fits(order)) return;
          waiting.delete(look);
          resolve(order);
        };
        waiting.add(look);
      }),
  };
  return group;
}

import type { SwallowOptions } from './types.ts';

/** The requests of a proxy whose answers are to be swallowed. */
export interface Swallowing {
  /** Adds an order; resolves when all its answers were swallowed. */
  order(options: SwallowOptions): Promise<void>;
  /** Drops all open orders: their promises reject. */
  cancel(): void;
  /** The view of one connection. */
  connection(): SwallowingConnection;
}

/** What one connection asks about its bytes. */
export interface SwallowingConnection {
  /** Notes bytes on their way to the server. */
  request(bytes: Buffer): void;
  /** True once an answer was ordered away: the server's words are to be dropped from then on. */
  readonly mute: boolean;
  /** Notes bytes from the server, and answers whether the connection is to be cut because of them. */
  answer(): 'go-on' | 'cut';
}

interface Order {
  readonly match: (request: Buffer) => boolean;
  readonly thenCut: boolean;
  toMatch: number;
  toSwallow: number;
  readonly done: () => void;
  readonly fail: (error: Error) => void;
}

const longestRequest = 65_536;

export function createSwallowing(): Swallowing {
  const orders = new Set<Order>();
  return {
    order({ count = 1, thenCut = false, match = () => true }) {
      const promise = new Promise<void>((done, fail) => {
        orders.add({ match, thenCut, toMatch: count, toSwallow: count, done, fail });
      });
      promise.catch(() => {}); // a caller that has stopped waiting is not to crash
      return promise;
    },
    cancel() {
      for (const order of orders)
        order.fail(new Error('The proxy was healed or closed before the reply was swallowed.'));
      orders.clear();
    },
    connection: () => swallowingConnection(orders),
  };
}

function swallowingConnection(orders: Set<Order>): SwallowingConnection {
  let sinceAnswer: Buffer = Buffer.alloc(0);
  let matched: Order[] = [];
  let mute = false;
  return {
    get mute() {
      return mute;
    },
    request(bytes) {
      if (![...orders].some(({ toMatch }) => toMatch > 0)) return;
      sinceAnswer = Buffer.concat([sinceAnswer, bytes]).subarray(-longestRequest);
      for (const order of orders) {
        if (order.toMatch === 0 || !order.match(sinceAnswer)) continue;
        order.toMatch--;
        matched.push(order);
        mute = true;
        sinceAnswer = Buffer.alloc(0);
        return;
      }
    },
    answer() {
      sinceAnswer = Buffer.alloc(0);
      const thenCut = matched.some((order) => order.thenCut);
      for (const order of matched) {
        order.toSwallow--;
        if (order.toSwallow > 0) continue;
        orders.delete(order);
        order.done();
      }
      matched = [];
      return thenCut ? 'cut' : 'go-on';
    },
  };
}

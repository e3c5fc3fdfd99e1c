import type { RedisSubscriber } from '../redis-client.ts';

/** Subscriptions by way of a client that makes and keeps the connections for them. */
export interface SharedSubscriptions {
  isReady(): boolean;
  /** Whether the client has not been closed: a closed one of node-redis would connect again, to unsubscribe. */
  isOpen(): boolean;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  close(): void;
}

/**
 * A subscriber over a client that others use too; closing it ends its own subscriptions alone. The commands for one channel wait for each
 * other: while node-redis makes the connection, it sends an UNSUBSCRIBE before the SUBSCRIBE that was asked for first, which then stands
 * for good (H43).
 */
export function sharedSubscriber(shared: SharedSubscriptions): RedisSubscriber {
  const standing = new Set<string>();
  const underWay = new Map<string, Promise<void>>();
  let closed = false;

  function inTurn(channel: string, send: () => Promise<unknown>): Promise<unknown> {
    const before = underWay.get(channel);
    const answer = before === undefined ? send() : before.then(send);
    const ended = answer.then(
      () => {},
      () => {},
    );
    underWay.set(channel, ended);
    void ended.then(() => underWay.get(channel) === ended && underWay.delete(channel));
    return answer;
  }

  const unsubscribe = (channel: string): Promise<unknown> =>
    inTurn(channel, async () => (shared.isOpen() ? shared.unsubscribe(channel) : undefined));

  return {
    get ready() {
      return shared.isReady();
    },
    subscribe(channel) {
      standing.add(channel);
      return inTurn(channel, async () => (closed ? undefined : shared.subscribe(channel)));
    },
    unsubscribe(channel) {
      standing.delete(channel);
      return unsubscribe(channel);
    },
    close() {
      closed = true;
      shared.close();
      for (const channel of standing) unsubscribe(channel).catch(() => {});
      standing.clear();
    },
  };
}

import type { RedisSubscriber } from '../redis-client.ts';

/** Subscriptions by way of a client of node-redis. */
export interface SharedSubscriptions {
  isReady(): boolean;
  /** Whether the client has not been closed: a closed one of node-redis would connect again, to unsubscribe. */
  isOpen(): boolean;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  check?(channels: readonly string[]): void;
  close(): void;
}

/** A subscriber whose client may give up a connection without a word of what was asked over it. */
export interface SharedSubscriber extends RedisSubscriber {
  /** Nothing waits any more for what was asked before. */
  startOver(): void;
}

/** Of each client, the last command for a channel, as long as that has no answer. */
const turns = new WeakMap<object, Map<string, Promise<void>>>();

/**
 * A subscriber over a client that others may use too; closing it ends its own subscriptions alone. The commands for one channel wait for
 * each other, whoever sends them: node-redis takes a SUBSCRIBE behind an UNSUBSCRIBE without an answer for one that stands already, and while
 * it makes a connection, it sends an UNSUBSCRIBE before the SUBSCRIBE that was asked for first (H43).
 */
export function sharedSubscriber(client: object, shared: SharedSubscriptions): SharedSubscriber {
  const standing = new Set<string>();
  let closed = false;

  function inTurn(channel: string, send: () => Promise<unknown>): Promise<unknown> {
    const underWay = turns.get(client) ?? new Map<string, Promise<void>>();
    turns.set(client, underWay);
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

  // One that waited for long may be out of date.
  const unsubscribe = (channel: string): Promise<unknown> =>
    inTurn(channel, async () => (shared.isOpen() && !standing.has(channel) ? shared.unsubscribe(channel) : undefined));

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
    check: (channels) => shared.check?.(channels),
    startOver() {
      turns.delete(client);
    },
    close() {
      closed = true;
      shared.close();
      const channels = [...standing];
      standing.clear();
      for (const channel of channels) unsubscribe(channel).catch(() => {});
    },
  };
}

import type { RedisSubscriber } from '../redis-client.ts';

/** Subscriptions over a connection that the client keeps for all who subscribe; closing ends ours only. */
export function sharedSubscriber(
  isReady: () => boolean,
  subscribe: (channel: string) => Promise<unknown>,
  unsubscribe: (channel: string) => Promise<unknown>,
  close: () => void,
): RedisSubscriber {
  const standing = new Set<string>();
  return {
    get ready() {
      return isReady();
    },
    subscribe(channel) {
      standing.add(channel);
      return subscribe(channel);
    },
    unsubscribe(channel) {
      standing.delete(channel);
      return unsubscribe(channel);
    },
    close() {
      close();
      for (const channel of standing) unsubscribe(channel).catch(() => {});
      standing.clear();
    },
  };
}

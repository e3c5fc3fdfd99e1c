import { LockError } from '@holdfast/lock-core';
import type { RedisClientBinding, RedisSubscriber } from './redis-client.ts';

/** Wake-up hints for waiters, over one shared subscription connection. */
export interface ReleaseHints {
  /** As `LockAdapter.whenFree`, by channel. */
  whenFree(channel: string, signal: AbortSignal): Promise<void>;
  /** Whether one of the server's subscribers of the channel is ours. */
  own(channel: string): boolean;
  close(): void;
}

interface Waiter {
  /** Those who wait for the next hint. */
  pending: { resolve: () => void; reject: (reason: unknown) => void }[];
  /** Takes the listener off the signal. */
  forget: () => void;
}

interface Channel {
  /** Settles when the subscription stands. */
  readonly standing: Promise<unknown>;
  readonly waiters: Map<AbortSignal, Waiter>;
}

/**
 * Opens one connection at the first need and keeps it; one subscription per channel, whoever waits, which ends with its
 * last waiter and with no other (H40). A waiter leaves nothing behind (H43).
 */
export function createReleaseHints(client: RedisClientBinding): ReleaseHints {
  const channels = new Map<string, Channel>();
  let connection: RedisSubscriber | undefined;
  let closed = false;

  function wake(channel: Channel | undefined): void {
    if (channel === undefined) return;
    for (const waiter of channel.waiters.values()) {
      const { pending } = waiter;
      waiter.pending = [];
      for (const { resolve } of pending) resolve();
    }
  }

  function open(): RedisSubscriber {
    connection ??= client.openSubscriber({
      message: (name) => wake(channels.get(name)),
      reconnected: () => {
        // A message may have been lost meanwhile, so everybody looks again, once the subscription stands anew (H38).
        for (const [name, channel] of channels) {
          const lookAgain = () => wake(channels.get(name) === channel ? channel : undefined);
          connection?.subscribe(name).then(lookAgain, lookAgain);
        }
      },
    });
    return connection;
  }

  function join(name: string): Channel {
    const present = channels.get(name);
    if (present !== undefined) return present;
    const channel: Channel = { standing: open().subscribe(name), waiters: new Map() };
    channels.set(name, channel);
    channel.standing.catch((error: unknown) => {
      // A failed subscription is forgotten, so that the next waiter tries anew.
      if (channels.get(name) === channel) channels.delete(name);
      for (const waiter of channel.waiters.values()) leave(waiter, error);
    });
    return channel;
  }

  function leave(waiter: Waiter, reason: unknown): void {
    waiter.forget();
    for (const { reject } of waiter.pending) reject(reason);
    waiter.pending = [];
  }

  function add(name: string, channel: Channel, signal: AbortSignal): Waiter {
    const onAbort = () => {
      channel.waiters.delete(signal);
      if (channel.waiters.size === 0 && channels.get(name) === channel) {
        channels.delete(name);
        // Commands of one connection stay in order, so a waiter who comes now subscribes after this.
        connection?.unsubscribe(name).catch(() => {});
      }
      leave(waiter, signal.reason);
    };
    const waiter: Waiter = { pending: [], forget: () => signal.removeEventListener('abort', onAbort) };
    channel.waiters.set(signal, waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    return waiter;
  }

  return {
    whenFree(name, signal) {
      if (closed) return Promise.reject(new LockError('LOCK_CLOSED', 'The adapter is closed.'));
      if (signal.aborted) return Promise.reject(signal.reason);
      const present = channels.get(name)?.waiters.get(signal);
      if (present !== undefined) {
        return new Promise((resolve, reject) => present.pending.push({ resolve, reject }));
      }
      const channel = join(name);
      const waiter = add(name, channel, signal);
      return new Promise((resolve, reject) => {
        waiter.pending.push({ resolve, reject });
        channel.standing.then(() => resolve(), reject);
      });
    },
    own: (name) => channels.has(name),
    close() {
      closed = true;
      const gone = new LockError('LOCK_CLOSED', 'The adapter was closed while waiting for a lock.');
      for (const channel of channels.values()) {
        for (const waiter of channel.waiters.values()) leave(waiter, gone);
      }
      channels.clear();
      connection?.close();
      connection = undefined;
    },
  };
}

import { LockError } from '@holdfast/lock-core';
import type { Client } from 'pg';

/** Wake-up hints for waiters: LISTEN on one shared connection, a channel per key. */
export interface WakeUps {
  /** As `LockAdapter.whenFree`, by channel. */
  whenFree(channel: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

interface Waiter {
  /** Those who wait for the next hint. */
  pending: { resolve(): void; reject(reason: unknown): void }[];
  readonly onAbort: () => void;
}

/** The connection that listens. */
interface Line {
  readonly client: Promise<Client>;
  /** The last statement that was sent: one at a time, in order. */
  tail: Promise<unknown>;
}

interface Channel {
  /** Settles when the subscription stands. */
  readonly standing: Promise<unknown>;
  /** Whether it does: a message that comes before belongs to an earlier subscription of the same name. */
  stands: boolean;
  readonly waiters: Map<AbortSignal, Waiter>;
}

/**
 * Opens the connection at the first need. When it is lost everybody is told so, and the next who waits opens a new one:
 * lock-core polls meanwhile, and looks once more when a subscription stands, so a message that was lost is no harm (H38).
 */
export function createWakeUps(open: () => Promise<Client>): WakeUps {
  const channels = new Map<string, Channel>();
  let line: Line | undefined;
  let closed = false;

  function connect(): Line {
    const client = open();
    const opened: Line = { client, tail: client };
    const lost = (why: unknown): void => {
      if (line === opened) drop(why);
    };
    client.then((connected) => {
      connected.on('notification', ({ channel }) => wake(channel));
      connected.once('end', () => lost(new Error('The connection that listens for releases ended.')));
    }, lost);
    return opened;
  }

  function send(to: Line, text: string): Promise<unknown> {
    const sent = to.tail.catch(ignore).then(async () => (await to.client).query(text));
    to.tail = sent;
    return sent;
  }

  function drop(why: unknown): void {
    const [old, lost] = [line, [...channels.values()]];
    line = undefined;
    channels.clear();
    for (const { waiters } of lost) for (const [signal, waiter] of waiters) leave(signal, waiter, why);
    old?.client.then((client) => client.end()).catch(ignore);
  }

  function join(name: string): Channel {
    const present = channels.get(name);
    if (present !== undefined) return present;
    line ??= connect();
    const mine = line;
    // Channel names are our own hex digits, so the quotes are safe.
    const standing = send(mine, `LISTEN "${name}"`);
    const channel: Channel = { standing, stands: false, waiters: new Map() };
    channels.set(name, channel);
    standing.then(
      () => {
        channel.stands = true;
      },
      (error: unknown) => {
        if (line === mine) drop(error);
      },
    );
    return channel;
  }

  function add(name: string, channel: Channel, signal: AbortSignal): Waiter {
    const onAbort = (): void => {
      channel.waiters.delete(signal);
      leave(signal, waiter, signal.reason);
      if (channel.waiters.size > 0 || channels.get(name) !== channel) return;
      channels.delete(name);
      // Statements of one connection stay in order: who comes now listens anew after this (H40).
      if (line) send(line, `UNLISTEN "${name}"`).catch(ignore);
    };
    const waiter: Waiter = { pending: [], onAbort };
    channel.waiters.set(signal, waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    return waiter;
  }

  function leave(signal: AbortSignal, waiter: Waiter, why: unknown): void {
    signal.removeEventListener('abort', waiter.onAbort);
    for (const { reject } of waiter.pending.splice(0)) reject(why);
  }

  /**
   * Resolves the pending calls, unless the subscription is still to come: whoever was told that early would take it for
   * standing, and the release after that is lost. It is told when the subscription stands, which is a hint too.
   */
  function wake(name: string): void {
    const channel = channels.get(name);
    if (!channel?.stands) return;
    for (const waiter of channel.waiters.values()) {
      for (const { resolve } of waiter.pending.splice(0)) resolve();
    }
  }

  return {
    async whenFree(name, signal) {
      if (closed) throw new LockError('LOCK_CLOSED', 'The adapter is closed.');
      signal.throwIfAborted();
      const known = channels.get(name)?.waiters.get(signal);
      if (known) return new Promise((resolve, reject) => known.pending.push({ resolve, reject }));
      // The first call: a release may have gone by before the subscription stood, so that is a hint too (H37).
      const channel = join(name);
      const waiter = add(name, channel, signal);
      return new Promise((resolve, reject) => {
        waiter.pending.push({ resolve, reject });
        channel.standing.then(() => resolve(), reject);
      });
    },
    close() {
      closed = true;
      drop(new LockError('LOCK_CLOSED', 'The adapter was closed while waiting for a lock.'));
    },
  };
}

function ignore(): void {}

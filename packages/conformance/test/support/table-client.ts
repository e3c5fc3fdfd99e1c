import { connect, type Socket } from 'node:net';
import type { Capabilities, LockAdapter } from '@holdfast/lock-core';
import type { Request } from './table-server.ts';
import { encode, receive } from './wire.ts';

export const networkCapabilities: Capabilities = {
  fencing: true,
  fairness: 'none',
  expiry: 'ttl',
  wakeup: 'poll',
  survivesFailover: true,
  crossProcess: true,
  ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
};

interface Waiting {
  resolve(value: never): void;
  reject(error: Error): void;
}

export interface TableClientOptions {
  readonly host: string;
  readonly port: number;
  /** Default true; false is a bug. */
  readonly reconnects?: boolean;
}

/** A correct client of the table server: one connection, made anew when it is lost; what had no answer is unknown. */
export function tableClient({ host, port, reconnects = true }: TableClientOptions): LockAdapter {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let socket: Socket | undefined;

  function connection(): Socket {
    if (socket) return socket;
    const opened = connect({ host, port, noDelay: true });
    socket = opened;
    opened.on('error', () => {});
    opened.once('close', () => {
      if (reconnects) socket = undefined;
      for (const { reject } of waiting.values()) reject(new Error('the connection was lost'));
      waiting.clear();
    });
    receive(opened, (message) => {
      const { id, value } = message as { id: number; value: never };
      waiting.get(id)?.resolve(value);
      waiting.delete(id);
    });
    return opened;
  }

  const ask = <T>(call: Request['call'], ...args: readonly unknown[]): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const to = connection();
      if (to.destroyed) return reject(new Error('the connection was lost'));
      waiting.set(++lastId, { resolve: resolve as Waiting['resolve'], reject });
      to.write(encode({ id: lastId, call, args }));
    });

  return {
    name: 'table over TCP',
    capabilities: networkCapabilities,
    tryAcquire: ({ key, owner, ttlMs, tokens, claim }) => ask('tryAcquire', { key, owner, ttlMs, tokens, claim }),
    renew: ({ key, owner }, ttlMs) => ask('renew', { key, owner }, ttlMs),
    downgrade: ({ key, owner }, ttlMs) => ask('downgrade', { key, owner }, ttlMs),
    release: ({ key, owner }) => ask('release', { key, owner }),
    inspect: (key) => ask('inspect', key),
    keys: (cursor) => ask('keys', cursor),
    forceRelease: (key) => ask('forceRelease', key),
    async close() {
      socket?.destroy();
    },
  };
}

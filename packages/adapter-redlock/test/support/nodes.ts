import { ioredisBinding } from '@holdfast/adapter-ioredis';
import { nodeRedisBinding } from '@holdfast/adapter-node-redis';
import type { LockAdapter } from '@holdfast/lock-core';
import type { RedisClientBinding } from '@holdfast/redis-protocol';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { type RedlockOptions, redlockAdapter } from '../../src/index.ts';

/** Where a server, or a proxy before it, listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export type ClientKind = 'ioredis' | 'node-redis';

// To make a client from scratch, with all commands that it knows, takes node-redis 10 ms.
const base = createClient();

/** A connected client as a binding that owns it. */
export async function bind(kind: ClientKind, { host, port }: Address): Promise<RedisClientBinding> {
  if (kind === 'ioredis') {
    const client = new Redis({
      host,
      port,
      lazyConnect: true,
      retryStrategy: (attempt) => Math.min(attempt * 50, 500),
      // While a server loads its data, ioredis believes its guess of how long that takes, up to ten seconds.
      maxLoadingRetryTime: 500,
    });
    client.on('error', () => {});
    await client.connect();
    return ioredisBinding(client, { ownsClient: true });
  }
  const client = base.duplicate({
    socket: { host, port, reconnectStrategy: (retries: number) => Math.min(50 + retries * 50, 500) },
  });
  client.on('error', () => {});
  await client.connect();
  return nodeRedisBinding(client, { ownsClient: true });
}

/** An adapter over the servers; by default every second one through the other client. */
export async function redlockOver(
  servers: readonly Address[],
  options: RedlockOptions = {},
  kinds: readonly ClientKind[] = ['ioredis', 'node-redis'],
): Promise<LockAdapter> {
  return redlockAdapter(await Promise.all(servers.map((server, i) => bind(kinds[i % kinds.length]!, server))), options);
}

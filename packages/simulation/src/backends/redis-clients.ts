import type { ClientProcess, Programs } from './backend.ts';

// biome-ignore lint/suspicious/noExplicitAny: two libraries in two major versions each.
type Any = any;

/** A client library's client in a simulated process, and how the shipped code binds it. */
export interface ConnectedRedis {
  readonly client: Any;
  binding(): unknown;
}

/** Of the client, as an application may have chosen them. */
interface RedisClientOptions {
  readonly offlineQueue?: boolean;
  /** Numbers come as text, where the client can do that. */
  readonly stringNumbers?: boolean;
  /** Text comes as buffers, where the client can do that. */
  readonly buffers?: boolean;
}

/** Connects a client library, as an application does, to the server behind a port. */
export function connectRedis(
  process: ClientProcess,
  programs: Programs,
  name: string,
  port: number,
  { offlineQueue = true, stringNumbers = false, buffers = false }: RedisClientOptions = {},
): ConnectedRedis {
  const library = programs.library(name, process.environment) as Any;
  const { ioredisBinding, nodeRedisBinding } = process.shipped as Any;
  if (name.startsWith('ioredis')) {
    const Redis = library.Redis ?? library.default ?? library;
    const client = new Redis({
      host: '127.0.0.1',
      port,
      enableOfflineQueue: offlineQueue,
      stringNumbers,
      retryStrategy: (attempt: number) => Math.min(attempt * 50, 1_000),
      maxRetriesPerRequest: offlineQueue ? null : 20,
    });
    client.on('error', () => {});
    return { client, binding: () => ioredisBinding(client) };
  }
  const client = library.createClient({
    url: `redis://127.0.0.1:${port}`,
    disableOfflineQueue: !offlineQueue,
    ...(buffers && { commandOptions: { typeMapping: { [library.RESP_TYPES.BLOB_STRING]: Buffer } } }),
    socket: { reconnectStrategy: (retries: number) => Math.min(retries * 50, 1_000) },
  });
  client.on('error', () => {});
  client.connect().catch(() => {});
  return { client, binding: () => nodeRedisBinding(client) };
}

import * as six from 'redis';
import * as five from 'redis-5';
import type { ClientKit, Target, TestClient } from '../../../redis-protocol/test/support/kit.ts';
import { type AnyNodeRedis, nodeRedisAdapter, nodeRedisBinding, openNodeRedis } from '../../src/index.ts';

/** node-redis in both majors. `open` has the one that the package imports. */
export const kits: readonly ClientKit[] = [
  kit('node-redis 6', six),
  kit('node-redis 5', five as unknown as typeof six),
];

function kit(name: string, library: typeof six): ClientKit {
  const { BLOB_STRING, NUMBER, SIMPLE_STRING } = library.RESP_TYPES;
  return {
    name,
    file: import.meta.url,
    connect: (target) => client(library, target),
    adapterOf: (made) => nodeRedisAdapter(made as never),
    replyOptions: {
      'text as Buffers': { commandOptions: { typeMapping: { [BLOB_STRING]: Buffer, [SIMPLE_STRING]: Buffer } } },
      'numbers as text': { commandOptions: { typeMapping: { [NUMBER]: String } } },
      RESP2: { RESP: 2 },
      'RESP3, text as Buffers': {
        RESP: 3,
        commandOptions: { typeMapping: { [BLOB_STRING]: Buffer, [NUMBER]: String } },
      },
    },
    open: openNodeRedis,
  };
}

function client(library: typeof six, target: Target): TestClient {
  const made = make(library, target);
  made.on('error', () => {});
  made.connect().catch(() => {});
  return {
    adapter: (options) => nodeRedisAdapter(made, options),
    binding: (options) => nodeRedisBinding(made, options),
    works: async () => (await nodeRedisBinding(made).call('get', ['works?'], 'works?')) === null,
    listeners: () => {
      const emitter = made as unknown as NodeJS.EventEmitter;
      return emitter.eventNames().reduce((sum, event) => sum + emitter.listenerCount(event), 0);
    },
    close: async () => {
      if (made.isOpen) await made.destroy();
    },
  };
}

function make(
  library: typeof six,
  { kind, nodes, masterName, username, password, db, natMap, clientOptions }: Target,
): AnyNodeRedis {
  const sockets = nodes.map(({ host, port }) => ({ host, port }));
  const rootNodes = sockets.map((socket) => ({ socket }));
  if (kind === 'cluster')
    return library.createCluster({
      rootNodes,
      ...(natMap && { nodeAddressMap: natMap }),
      ...(password !== undefined && { defaults: { username, password } }),
      ...clientOptions,
    });
  if (kind === 'sentinel')
    return library.createSentinel({ name: masterName!, sentinelRootNodes: sockets, ...clientOptions });
  return library.createClient({
    socket: sockets[0]!,
    ...(db !== undefined && { database: db }),
    ...clientOptions,
    ...(password === undefined ? {} : { username, password }),
  }) as AnyNodeRedis;
}

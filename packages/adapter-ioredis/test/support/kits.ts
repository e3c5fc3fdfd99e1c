import * as six from 'ioredis';
import * as five from 'ioredis-5';
import type { ClientKit, Target, TestClient } from '../../../redis-protocol/test/support/kit.ts';
import { ioredisAdapter, ioredisBinding, openIoredis } from '../../src/index.ts';

/** ioredis in both majors. `open` has the one that the package imports. */
export const kits: readonly ClientKit[] = [kit('ioredis 6', six), kit('ioredis 5', five as unknown as typeof six)];

function kit(name: string, library: typeof six): ClientKit {
  return {
    name,
    file: import.meta.url,
    connect: (target) => client(library, target),
    adapterOf: (made) => ioredisAdapter(made as never),
    replyOptions: {
      'numbers as text': { stringNumbers: true },
      RESP2: { protocol: 2 },
      'RESP3 shapes, numbers as text': { protocol: 3, replyMapping: 'resp3', stringNumbers: true },
    },
    open: openIoredis,
  };
}

function client(library: typeof six, target: Target): TestClient {
  const made = make(library, target);
  made.on('error', () => {});
  return {
    adapter: (options) => ioredisAdapter(made, options),
    binding: (options) => ioredisBinding(made, options),
    works: async () => (await made.ping()) === 'PONG',
    listeners: () => made.eventNames().reduce((sum, event) => sum + made.listenerCount(event), 0),
    close: async () => made.disconnect(),
  };
}

// While a server loads its data, ioredis believes its guess of how long that takes, up to ten seconds.
const loading = { maxLoadingRetryTime: 500 };

function make(
  library: typeof six,
  { kind, nodes, masterName, username, password, db, natMap, ...target }: Target,
): six.Redis | six.Cluster {
  const clientOptions = { ...loading, ...target.clientOptions };
  const seeds = nodes.map(({ host, port }) => ({ host, port }));
  if (kind === 'cluster')
    return new library.Cluster(seeds, {
      ...(natMap && { natMap }),
      redisOptions: { username, password, ...clientOptions },
    });
  if (kind === 'sentinel')
    return new library.Redis({ sentinels: seeds, name: masterName!, password, ...clientOptions });
  return new library.Redis({ ...seeds[0]!, username, password, db, ...clientOptions });
}

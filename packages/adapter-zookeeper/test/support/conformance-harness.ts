import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Harness } from '@holdfast/conformance';
import type { ServerProcess } from '@holdfast/testbed';
import { zookeeperAdapter } from '../../src/index.ts';
import { inOrder, nodeName } from '../../src/names.ts';
import { expire, rawClient, rememberingFactory } from './clients.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

const connectionString = (servers: readonly Address[]): string =>
  servers.map(({ host, port }) => `${host}:${port}`).join(',');

/** Asks a server one of its four-letter words. */
function fourLetter({ host, port }: Address, word: string): Promise<string> {
  const socket = connect(port, host);
  socket.end(word);
  return text(socket);
}

/** The harness over servers that run when the first case begins. */
export function zookeeperHarness(
  name: string,
  servers: () => readonly ServerProcess[],
  hooks: Harness['hooks'] = {},
): Harness {
  const { factory, clients } = rememberingFactory();
  return {
    name,
    adapter: async (at) =>
      zookeeperAdapter({
        servers: connectionString(at ?? servers()),
        sessionTimeoutMs: 20_000,
        clientFactory: factory,
      }),
    servers,
    process: () => ({
      module: new URL('./open-adapter.ts', import.meta.url),
      options: { servers: connectionString(servers()), sessionTimeoutMs: 6_000 },
      execArgv: ['--import', 'tsx'],
    }),
    capabilities: {
      fencing: true,
      fairness: 'fifo',
      expiry: 'session',
      wakeup: 'push',
      survivesFailover: true,
      crossProcess: true,
      shared: true,
      permits: true,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 30_000 },
    },
    // No lease is longer than the session is sure to last. Patience for a busy machine.
    timing: { longTtlMs: 12_000, graceMs: 5_000 },
    async versions() {
      const [server] = servers();
      const said = await fourLetter(server!, 'srvr');
      const { version } = createRequire(import.meta.url)('node-zookeeper-client/package.json') as { version: string };
      return {
        client: `node-zookeeper-client ${version}`,
        server: `ZooKeeper ${/^Zookeeper version: ([\d.]+)/m.exec(said)?.[1] ?? 'of unknown version'}`,
      };
    },
    hooks: {
      async revoke(key) {
        const [server] = servers();
        await using raw = await rawClient(connectionString([server!]));
        const parent = `/locks/${nodeName(key)}`;
        const [first] = inOrder(await raw.children(parent)) ?? [];
        const owner = first && (await raw.ownerOf(`${parent}/${first}`));
        const client = clients.find((each) => each.getSessionId().toString('hex') === owner);
        if (client === undefined) return;
        // The adapter may take its session back before it is closed.
        do await expire(connectionString([server!]), client);
        while ((await raw.ownerOf(`${parent}/${first}`)) === owner);
      },
      async freeze() {
        for (const server of servers()) server.freeze();
        return () => servers().forEach((server) => void server.thaw());
      },
      async restart() {
        await Promise.all(servers().map((server) => server.restart()));
      },
      ...hooks,
    },
  };
}

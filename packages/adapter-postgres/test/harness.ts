import type { Harness } from '@holdfast/conformance';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import pgManifest from 'pg/package.json' with { type: 'json' };
import { createLockSchema } from '../src/index.ts';
import { openAdapter } from './open-adapter.ts';

/** How the suite reaches the adapter, and what it may do to its server; `server` is asked for when it runs. */
export function postgresHarness(server: () => PostgresServer): Harness {
  return {
    name: 'postgres',
    adapter: async (at) => openAdapter(server(), at),
    servers: () => [server()],
    process: () => ({
      module: new URL('./open-adapter.ts', import.meta.url),
      options: { host: server().host, port: server().port },
      execArgv: ['--import', import.meta.resolve('tsx')],
    }),
    capabilities: {
      fencing: true,
      fairness: 'fifo',
      expiry: 'ttl',
      wakeup: 'push',
      survivesFailover: false,
      crossProcess: true,
      shared: true,
      permits: true,
      ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
    },
    // Patience for a busy machine: hundreds of connections are opened at once, and each carries one request at a time.
    timing: { leaseMs: 2_400, graceMs: 5_000 },
    locksOptions: { backendTimeoutMs: 30_000 },
    hooks: {
      async revoke(key) {
        await server().query('SELECT holdfast.force($1, NULL)', [Buffer.from(key).toString('hex')]);
      },
      async freeze() {
        server().freeze();
        return () => server().thaw();
      },
      restart: () => server().restart(),
    },
    versions: async () => {
      const [row] = await server().query<{ server_version: string }>('SHOW server_version');
      return { client: `pg ${pgManifest.version}`, server: `PostgreSQL ${row?.server_version}` };
    },
  };
}

/** For `holdfast conformance ./test/harness.ts`: with a server of its own, which ends with the run. */
export default async function harness(): Promise<Harness & AsyncDisposable> {
  const server = await startPostgres();
  await createLockSchema({ url: server.url });
  return { ...postgresHarness(() => server), [Symbol.asyncDispose]: () => server.stop() };
}

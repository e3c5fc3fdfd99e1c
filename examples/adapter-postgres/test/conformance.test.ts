import { registerConformance } from '@holdfast/conformance/vitest';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import pgManifest from 'pg/package.json' with { type: 'json' };
import { afterAll, beforeAll } from 'vitest';
import { createLockTables, postgresAdapter } from '../src/index.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  await createLockTables({ url: server.url });
});
afterAll(() => server?.stop());

registerConformance({
  name: 'postgres',
  adapter: async ([proxy = server] = []) =>
    postgresAdapter({
      url: `postgres://postgres@${proxy.host}:${proxy.port}/postgres`,
      // Patience for a busy machine, as below: hundreds of connections are opened at once.
      callTimeoutMs: 5_000,
    }),
  servers: () => [server],
  process: () => ({
    module: new URL('./open-adapter.ts', import.meta.url),
    options: { url: server.url },
    execArgv: ['--import', import.meta.resolve('tsx')],
  }),
  capabilities: {
    fencing: true,
    fairness: 'none',
    expiry: 'ttl',
    wakeup: 'push',
    survivesFailover: false,
    crossProcess: true,
    ttl: { minMs: 1, granularityMs: 1, maxOvershootMs: 50 },
  },
  timing: { leaseMs: 2_400, graceMs: 5_000 },
  hooks: {
    async revoke(key) {
      await server.query('DELETE FROM holdfast.lock WHERE key = $1', [Buffer.from(key)]);
    },
    async freeze() {
      server.freeze();
      return () => server.thaw();
    },
    restart: () => server.restart(),
  },
  versions: async () => ({
    client: `pg ${pgManifest.version}`,
    server: `PostgreSQL ${(await server.query<{ server_version: string }>('SHOW server_version'))[0]?.server_version}`,
  }),
});

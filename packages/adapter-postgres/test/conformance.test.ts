import { PGlite } from '@electric-sql/pglite';
import type { Harness } from '@holdfast/conformance';
import { registerConformance } from '@holdfast/conformance/vitest';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import postgres from 'postgres';
import { afterAll, beforeAll } from 'vitest';
import { createLockSchema, type PostgresClientLike, postgresAdapter } from '../src/index.ts';
import { postgresHarness } from './harness.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  await createLockSchema({ url: server.url });
});
afterAll(() => server?.stop());

registerConformance(postgresHarness(() => server));

/** The harness with adapters over a client of another kind, which ends with its adapter. */
function over(
  name: string,
  open: (url: string) => { client: PostgresClientLike; end(): Promise<unknown> },
  { processes = true }: { processes?: boolean } = {},
): Harness {
  const { servers, process: child, ...harness } = postgresHarness(() => server);
  return {
    ...harness,
    ...(processes ? { servers, process: child } : {}),
    name,
    async adapter([at = server] = []) {
      const { client, end } = open(`postgres://postgres@${at.host}:${at.port}/postgres`);
      const adapter = postgresAdapter({ client, callTimeoutMs: 5_000 });
      return {
        ...adapter,
        async close() {
          await adapter.close?.();
          await end();
        },
      };
    },
  };
}

// The other drivers under `npm run test:all`; test/drivers.test.ts and test/pglite.test.ts always run them shortly.
if (process.env.HOLDFAST_TEST_ALL) {
  registerConformance(
    over('postgres.js', (url) => {
      const sql = postgres(url, { max: 5, connect_timeout: 5, backoff: () => 0.2 });
      return { client: sql, end: () => sql.end({ timeout: 1 }) };
    }),
  );

  let db: PGlite;
  beforeAll(async () => {
    db = await PGlite.create();
    await createLockSchema({ client: db });
  });
  afterAll(() => db?.close());
  const {
    capabilities,
    hooks: _,
    versions: __,
    ...pglite
  } = over('PGlite', () => ({ client: db, end: async () => {} }), { processes: false });
  registerConformance({ ...pglite, capabilities: { ...capabilities, crossProcess: false } });
}

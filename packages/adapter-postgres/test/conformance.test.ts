import { registerConformance } from '@holdfast/conformance/vitest';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { afterAll, beforeAll } from 'vitest';
import { createLockSchema } from '../src/index.ts';
import { postgresHarness } from './harness.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  await createLockSchema({ url: server.url });
});
afterAll(() => server?.stop());

registerConformance(postgresHarness(() => server));

import { createInterface } from 'node:readline';
import pg from 'pg';
import { postgresAdapter } from '../src/index.ts';

// A process that holds a lock and writes under it in a transaction, one step for each line of its input. It goes by the database alone: what
// lock-core would have noticed in time does not help it.

const [url, key, owner] = process.argv.slice(2) as [string, string, string];
const adapter = postgresAdapter({ url, callTimeoutMs: 20_000 });
const client = new pg.Client({ connectionString: url });
await client.connect();
const hold = { key, owner };

const steps: Record<string, () => Promise<unknown>> = {
  acquire: async () =>
    (await adapter.tryAcquire({ ...hold, ttlMs: 1_500, tokens: 1, signal: new AbortController().signal })).status,
  begin: () => client.query('BEGIN'),
  pin: () => adapter.assertIn(hold, client).then(() => 'pinned'),
  write: () => client.query(`INSERT INTO written (by) VALUES ('child')`),
  commit: () => client.query('COMMIT'),
};

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await steps[line]!().catch((error: { code?: string }) => error.code);
  process.stdout.write(`${typeof answer === 'string' ? answer : 'done'}\n`);
}
await client.end();
await adapter.close?.();

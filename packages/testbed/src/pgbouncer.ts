import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { binary } from './binaries.ts';
import { serverFolder } from './folders.ts';
import { localhost, withFreePorts } from './ports.ts';
import { giveAway, nobody, type PostgresServer, withinReach } from './postgres.ts';
import { type ServerProcess, startServer } from './server-process.ts';

/** Starts PgBouncer in transaction mode in front of a server, with three connections to it; everybody is the user `postgres`. */
export function startPgbouncer(server: PostgresServer): Promise<ServerProcess> {
  return withFreePorts(1, async ([port]) => {
    const folder = serverFolder('pgbouncer');
    if (nobody) await giveAway(folder, nobody);
    const { path, env } = await withinReach(await binary('pgbouncer'), folder, 'pgbouncer');
    const file = join(folder, 'pgbouncer.ini');
    await writeFile(
      file,
      `[databases]
* = host=${server.host} port=${server.port} user=postgres
[pgbouncer]
listen_addr = ${localhost}
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = extra_float_digits
`,
    );
    const url = `postgres://postgres@${localhost}:${port}/postgres`;
    return startServer({
      ...{ name: 'PgBouncer', url, port: port!, folder, user: nobody, env },
      command: [path, file],
      healthy: async (_pid, timeoutMs) => {
        const client = new Client({
          connectionString: url,
          connectionTimeoutMillis: timeoutMs,
          query_timeout: timeoutMs,
        });
        client.on('error', () => {}); // what breaks a statement rejects it as well
        try {
          await client.connect();
          return (await client.query('SELECT 1')).rows.length === 1;
        } finally {
          await client.end();
        }
      },
    });
  });
}

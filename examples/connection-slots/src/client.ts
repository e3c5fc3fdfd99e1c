// One of several processes that use the database. It runs until its parent has seen enough.
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from '@holdfast/example-kit';
import { openLocks } from 'holdfast';

const [url, pool, slots, port, limited] = process.argv.slice(2) as [string, string, string, string, string];

/** One query over a connection of its own; it ends when the database has closed the connection, or when the slot is lost. */
async function query(signal?: AbortSignal): Promise<void> {
  const socket = createConnection({ port: Number(port), host: '127.0.0.1', signal });
  const closed = once(socket, 'close');
  socket.on('error', () => {});
  const [greeting] = (await Promise.race([once(socket, 'data'), closed.then(() => [''])])) as [Buffer | string];
  if (String(greeting) === 'welcome') {
    await call('connected', process.pid);
    await sleep(30);
    socket.write('SELECT 1');
    await Promise.race([once(socket, 'data'), closed]);
  }
  socket.end();
  await closed;
}

await using locks = await openLocks(url, { ttlMs: 5_000, require: { crossProcess: true, permits: true } });
const connections = locks.semaphore(`connections:${pool}`, Number(slots));
while (await call<boolean>('go on')) {
  if (limited === 'true') await connections.using((slot) => query(slot.signal));
  else await query();
}
process.disconnect();

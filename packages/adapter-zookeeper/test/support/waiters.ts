import { appendFileSync } from 'node:fs';
import { createLocks } from '@holdfast/lock-core';
import { zookeeperAdapter } from '../../src/index.ts';

// A process with some waiters for one lock, each with a place of its own; each notes its grant in the log while it holds it.
const [servers, key, count, log, id] = process.argv.slice(2) as [string, string, string, string, string];
const locks = createLocks(zookeeperAdapter({ servers }), { localRun: { count: 0 } });
await Promise.all(
  Array.from({ length: Number(count) }, (_, waiter) =>
    locks.using(key, (lock) => appendFileSync(log, `${lock.fencingToken} ${id} ${waiter}\n`)),
  ),
);
await locks.close();
// As a child process it has a channel to its parent.
process.disconnect();

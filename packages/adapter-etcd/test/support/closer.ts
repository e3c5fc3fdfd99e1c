import { createLocks } from '@holdfast/lock-core';
import { etcdAdapter } from '../../src/index.ts';

// Holds a lock and waits for it, closes when told, and is then to exit by itself.
const locks = createLocks(etcdAdapter({ hosts: `127.0.0.1:${process.argv[2]}` }));
await locks.acquire('k', { ttlMs: 2_000 });
locks.acquire('k').catch(() => {});
process.send?.('held');
process.once('message', async () => {
  await locks.close();
  process.disconnect();
});

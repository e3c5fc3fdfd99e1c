import { openLocks } from '../../src/index.ts';

// A process that waits for a lock, or for most permits of a semaphore, and keeps what it gets until it is killed.
const [url, key, limit] = process.argv.slice(2) as [string, string, string | undefined];
const locks = await openLocks(url, { ttlMs: 6_000, backendTimeoutMs: 60_000 });
const acquiring =
  limit === undefined ? locks.acquire(key) : locks.semaphore(key, Number(limit)).acquire({ permits: 6 });
process.send!('waiting');
await acquiring;
process.send!('granted');
process.once('disconnect', () => process.exit());

import { createLocks } from '@holdfast/lock-core';
import { etcdAdapter } from '../../src/index.ts';

// Eight waiters of one process, each with a place of its own; each reports its token and the time of its grant, on the machine's one monotonic clock.
const [port, name] = process.argv.slice(2);
const locks = createLocks(etcdAdapter({ hosts: `127.0.0.1:${port}` }), { localRun: { count: 0 } });
const grants = await Promise.all(
  Array.from({ length: 8 }, (_, i) =>
    locks.using(name!, (lock) => ({ i, token: String(lock.fencingToken), at: String(process.hrtime.bigint()) })),
  ),
);
process.send?.(grants, () => void locks.close());

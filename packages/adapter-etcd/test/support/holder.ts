import { createLocks } from '@holdfast/lock-core';
import { etcdAdapter } from '../../src/index.ts';

// Holds two locks until it is killed, one of them with renewals.
const [port, ttl] = process.argv.slice(2);
const locks = createLocks(etcdAdapter({ hosts: `127.0.0.1:${port}` }), { ttlMs: Number(ttl) });
await locks.acquire('crash/renewed');
await locks.acquire('crash/once', { autoRenew: false });
process.send?.('held');

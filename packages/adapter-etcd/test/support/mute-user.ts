import { createLocks } from '@holdfast/lock-core';
import { etcdAdapter } from '../../src/index.ts';

// Asks a server that says nothing for a lock, closes, and is then to exit by itself.
const [port, tls] = process.argv.slice(2);
const adapter = etcdAdapter({ hosts: `127.0.0.1:${port}`, tls: tls === 'tls', callTimeoutMs: 500 });
const locks = createLocks(adapter, { backendTimeoutMs: 1_000 });
await locks.acquire('k').catch(() => {});
await locks.close();
process.send?.('closed', () => process.disconnect());

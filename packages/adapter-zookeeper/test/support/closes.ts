import { zookeeperAdapter } from '../../src/index.ts';

// A process that uses an adapter, closes it when told, and has nothing else to do.
const [servers, when] = process.argv.slice(2) as [string, string];
const adapter = zookeeperAdapter({ servers });
const attempt = {
  key: `child-${when}`,
  owner: 'b'.repeat(32),
  ttlMs: 30_000,
  tokens: 1,
  signal: new AbortController().signal,
};
// To look connects in that very turn; to ask waits for its end.
const asked = when === 'in the turn of its first call' ? adapter.inspect?.('any') : adapter.tryAcquire(attempt);
asked?.catch(() => {});
if (when === 'in the turn of its first call') await adapter.close?.();
if (when === 'connected' || when === 'frozen') await asked;
process.send?.('holding');
await new Promise((resolve) => process.once('message', resolve));
await adapter.close?.();
process.disconnect();

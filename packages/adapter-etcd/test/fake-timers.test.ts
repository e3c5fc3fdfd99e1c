import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { adapterOf, attemptFor, newName } from './support/etcd.ts';

const sockets = new Set<Socket>();
// It reads, and says nothing.
const mute = createServer((socket) => sockets.add(socket.on('error', () => {}).resume()));

beforeAll(() => new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve)));
afterEach(() => vi.useRealTimers());
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  mute.close();
});

it('H129: fake timers of a test framework stop no time-out', async () => {
  const { port } = mute.address() as AddressInfo;
  vi.useFakeTimers();
  const adapter = adapterOf({ host: '127.0.0.1', port }, { callTimeoutMs: 200 });
  await expect(adapter.tryAcquire(attemptFor(newName()))).rejects.toThrow('no answer within 200 ms');
});

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';

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
  const servers = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const adapter = zookeeperAdapter({ servers, sessionTimeoutMs: 1_000 });
  vi.useFakeTimers();
  await expect(adapter.tryAcquire(attempt('any'))).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
  // The next attempts to connect go on too.
  while (sockets.size <= 2) await sleep(20);
  await adapter.close!();
});

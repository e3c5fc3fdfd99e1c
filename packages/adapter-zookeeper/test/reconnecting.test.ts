import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { until } from './support/clients.ts';

/** The answer to a handshake: a session of so many ms; none, if it is 0. */
function handshake(timeoutMs: number): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.writeInt32BE(36, 0);
  bytes.writeInt32BE(timeoutMs, 8);
  bytes.writeBigInt64BE(7n, 12);
  bytes.writeInt32BE(16, 20);
  return bytes;
}

it('a server that was silent, or has ended the session, is asked again at once, however long it was away', async () => {
  // What it does with each handshake: it grants a session, is down, stands still, and comes back without the session.
  const silentMs = 1_100;
  const close = (socket: Socket): unknown => socket.destroy();
  const answers = [
    (socket: Socket) => socket.end(handshake(30_000)),
    ...[close, close, close, close, close, close],
    (socket: Socket) => setTimeout(() => close(socket), silentMs),
    (socket: Socket) => socket.end(handshake(0)),
    close,
  ];
  const asked: number[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    // The probe of an unknown server says something else.
    socket.once('data', (bytes) => {
      if (bytes.length < 40) return;
      answers[asked.length]?.(socket);
      asked.push(performance.now());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const adapter = zookeeperAdapter({ servers: `127.0.0.1:${(server.address() as AddressInfo).port}` });
  onTestFinished(async () => {
    await adapter.close!();
    server.close();
  });
  adapter.tryAcquire(attempt('away')).catch(() => {});
  await until('it has been asked by all', () => asked.length >= answers.length);
  const gaps = asked.slice(1).map((at, i) => at - asked[i]!);
  const [whileDown, afterSilence, afterEnd] = [gaps[6]!, gaps[7]! - silentMs, gaps[8]!];
  // While it is down it is left alone for longer and longer.
  expect(whileDown).toBeGreaterThan(300);
  expect(afterSilence).toBeLessThan(200);
  expect(afterEnd).toBeLessThan(200);
});

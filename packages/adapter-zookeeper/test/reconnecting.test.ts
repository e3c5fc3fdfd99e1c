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

/** Whatever a server does with a connection that has sent its handshake. */
type Answer = (socket: Socket) => unknown;

const close: Answer = (socket) => socket.destroy();

/** When a server that gives these answers, one after the other, was asked for each. */
async function askedAt(answers: readonly Answer[], sessionTimeoutMs: number): Promise<number[]> {
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
  const servers = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const adapter = zookeeperAdapter({ servers, sessionTimeoutMs });
  onTestFinished(async () => {
    await adapter.close!();
    server.close();
  });
  adapter.tryAcquire(attempt('away')).catch(() => {});
  await until('it has been asked by all', () => asked.length >= answers.length);
  return asked;
}

const gapsIn = (times: readonly number[]): number[] => times.slice(1).map((at, i) => at - times[i]!);

it('a server that was silent, or has ended the session, is asked again at once, however long it was away', async () => {
  // What it does with each handshake: it grants a session, is down, stands still, and comes back without the session.
  const silentMs = 1_100;
  const answers: Answer[] = [
    (socket) => socket.end(handshake(30_000)),
    ...[close, close, close, close, close, close],
    (socket) => setTimeout(() => close(socket), silentMs),
    (socket) => socket.end(handshake(0)),
    close,
  ];
  const gaps = gapsIn(await askedAt(answers, 30_000));
  const [whileDown, afterSilence, afterEnd] = [gaps[6]!, gaps[7]! - silentMs, gaps[8]!];
  // While it is down it is left alone for longer and longer.
  expect(whileDown).toBeGreaterThan(300);
  expect(afterSilence).toBeLessThan(200);
  expect(afterEnd).toBeLessThan(200);
});

it('a server that stands still no more, and closes a new connection because it is ending the session, is asked again at once', async () => {
  const silent: Answer = () => {};
  const answers: Answer[] = [
    (socket) => socket.end(handshake(30_000)),
    ...[silent, silent, silent, silent, silent, silent],
    ...[close, (socket: Socket) => socket.end(handshake(0))],
  ];
  const afterClose = gapsIn(await askedAt(answers, 900))[7]!;
  expect(afterClose).toBeLessThan(200);
});

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { zookeeperAdapter } from '../src/index.ts';
import { attempt } from './support/attempt.ts';
import { useServer } from './support/server.ts';

const zookeeper = useServer();
const closing: (() => void)[] = [];

afterAll(() => {
  for (const close of closing) close();
});

/** A way to the server on which answers, once it is slow, arrive in some pieces with a pause before each. */
async function slowWay(pieces: number, pauseMs: number): Promise<{ at: string; slow(): void }> {
  let isSlow = false;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connect(zookeeper.server.port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, upstream].forEach((one) => void one.destroy()));
    }
    client.on('data', (data) => void upstream.write(data));
    let held = Buffer.alloc(0);
    let timer: NodeJS.Timeout | undefined;
    upstream.on('data', (data) => {
      if (!isSlow) return void client.write(data);
      held = Buffer.concat([held, data]);
      if (timer !== undefined) return;
      let left = pieces;
      timer = setInterval(() => {
        const size = Math.ceil(held.length / left);
        client.write(held.subarray(0, size));
        held = held.subarray(size);
        left -= 1;
        if (left === 0) clearInterval(timer);
      }, pauseMs);
    });
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  const slow = (): void => {
    isSlow = true;
  };
  return { at: `127.0.0.1:${(proxy.address() as AddressInfo).port}`, slow };
}

it('a server that has much to answer is slow, and not mute: no call is given up while answers come in', {
  timeout: 60_000,
}, async () => {
  // No pause is as long as a server may be mute (2 s), and all together are longer.
  const way = await slowWay(5, 700);
  const adapter = zookeeperAdapter({ servers: way.at });
  const requests = Array.from({ length: 50 }, (_, i) => attempt(`slow-${i}`));
  const grants = await Promise.all(requests.map((request) => adapter.tryAcquire(request)));
  expect(grants.every(({ status }) => status === 'granted')).toBe(true);
  way.slow();
  const outcomes = await Promise.all(requests.map(({ key, owner }) => adapter.renew({ key, owner }, 10_000)));
  expect(outcomes.map(({ status }) => status)).toEqual(requests.map(() => 'renewed'));
  await adapter.close?.();
});

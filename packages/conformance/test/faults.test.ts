import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, faultProxy } from '../src/faults/index.ts';
import { type Client, connectTo, type EchoServer, eventually, listen, startEcho } from './faults-echo.ts';

let echo: EchoServer;
let proxy: FaultProxy;

beforeEach(async () => {
  echo = await startEcho();
  proxy = await faultProxy(echo);
});

afterEach(async () => {
  await proxy.close();
  await echo[Symbol.asyncDispose]();
});

const client = (): Promise<Client> => connectTo(proxy);

describe('faultProxy', () => {
  it('is transparent at first, and counts bytes and connections', async () => {
    const a = await client();
    a.socket.write('hello');
    await eventually(() => expect(a.text).toBe('<hello>'));
    expect(proxy.bytes).toEqual({ toServer: 5, toClient: 7 });
    expect(proxy.connections).toBe(1);
    a.socket.end('bye');
    await eventually(() => expect(a.text).toBe('<hello><bye>'));
    await eventually(() => expect(a.closed && proxy.connections === 0).toBe(true));
    expect(a.error).toBeUndefined();
  });

  it('passes megabytes unchanged both ways', async () => {
    const a = await client();
    const block = 'x'.repeat(1 << 20);
    for (let i = 0; i < 8; i++) a.socket.write(block);
    await eventually(() => expect(echo.received.length).toBe(8 << 20));
    await eventually(() => expect(a.text.replaceAll(/[<>]/g, '').length).toBe(8 << 20));
  });

  it('delay: later and in order, each direction on its own', async () => {
    const a = await client();
    proxy.delay(300, 'to-client');
    const sentAt = performance.now();
    a.socket.write('1');
    await eventually(() => expect(echo.received).toBe('1'));
    proxy.delay(0);
    a.socket.write('2');
    await eventually(() => expect(a.text).toBe('<1><2>'));
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(299);
    proxy.delay(60_000);
    a.socket.write('3');
    await sleep(100);
    expect(echo.received).toBe('12');
    await proxy.heal();
    await eventually(() => expect(a.text).toBe('<1><2><3>'));
  });

  it('blackHole: bytes and ends of connections vanish, connections stay, new ones are mute', async () => {
    const a = await client();
    const b = await client();
    proxy.blackHole();
    a.socket.write('lost');
    b.socket.resetAndDestroy();
    const c = await client();
    c.socket.write('lost too');
    await sleep(150);
    expect({
      received: echo.received,
      a: a.text,
      aClosed: a.closed,
      cClosed: c.closed,
      serverSide: echo.connections,
    }).toEqual({
      ...{ received: '', a: '', aClosed: false, cClosed: false, serverSide: 3 },
    });
    await proxy.heal();
    // A stream never goes on with a gap: what lost bytes is reset.
    await eventually(() => expect([a.error, c.error, echo.connections]).toEqual(['ECONNRESET', 'ECONNRESET', 0]));
    const d = await client();
    d.socket.write('again');
    await eventually(() => expect(d.text).toBe('<again>'));
  });

  it('blackHole in one direction: requests arrive, answers do not; a connection that lost nothing lives on', async () => {
    const [a, idle] = [await client(), await client()];
    proxy.blackHole('to-client');
    a.socket.write('done');
    await eventually(() => expect(echo.received).toBe('done'));
    await sleep(100);
    expect(a.text).toBe('');
    await proxy.heal();
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    idle.socket.write('still here');
    await eventually(() => expect(idle.text).toBe('<still here>'));
    proxy.blackHole('to-server');
    idle.socket.write('never');
    await sleep(100);
    expect(echo.received).toBe('donestill here');
  });

  it('hold: all is delivered at heal, in order', async () => {
    const a = await client();
    proxy.hold('to-server');
    a.socket.write('1');
    await sleep(50);
    a.socket.end('2');
    await sleep(100);
    expect(echo.received).toBe('');
    await proxy.heal();
    await eventually(() => expect(echo.received).toBe('12'));
    await eventually(() => expect(a.closed).toBe(true));
    expect(a.text.replaceAll(/[<>]/g, '')).toBe('12');
    expect(a.error).toBeUndefined();
  });

  it('cut: resets both sides, new connections work', async () => {
    const a = await client();
    await eventually(() => expect(echo.connections).toBe(1));
    proxy.cut();
    await eventually(() => expect([a.error, echo.connections]).toEqual(['ECONNRESET', 0]));
    const b = await client();
    b.socket.write('b');
    await eventually(() => expect(b.text).toBe('<b>'));
  });

  it('refuse: connections are reset and refused until heal, which listens on the same port', async () => {
    const a = await client();
    proxy.refuse();
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    expect((await client()).error).toBe('ECONNREFUSED');
    await Promise.all([proxy.heal(), proxy.heal()]);
    const b = await client();
    b.socket.write('b');
    await eventually(() => expect(b.text).toBe('<b>'));
  });

  it('refuse: the port stays reserved for it among the proxies of the machine', async () => {
    const taken = (port: number) =>
      new Promise<boolean>((resolve) => {
        const socket = createSocket('udp4');
        socket.once('error', () => resolve(true));
        socket.bind({ address: proxy.host, port, exclusive: true }, () => socket.close(() => resolve(false)));
      });
    proxy.refuse();
    expect(await taken(proxy.port)).toBe(true);
    await proxy.close();
    expect(await taken(proxy.port)).toBe(false);
  });

  it('target: new connections go to another server; one that is down resets them', async () => {
    const old = await client();
    const second = createServer((socket) => socket.on('error', () => {}).end('second'));
    const address = await listen(second);
    proxy.target(address);
    const a = await client();
    await eventually(() => expect(a.text).toBe('second'));
    old.socket.write('old');
    await eventually(() => expect(old.text).toBe('<old>'));
    await new Promise((resolve) => second.close(resolve));
    const b = await client();
    await eventually(() => expect(b.error).toBe('ECONNRESET'));
  });

  it('close: idempotent, leaves no connection, also while refusing, reopening or partitioned', async () => {
    for (const before of [
      () => {},
      () => proxy.refuse(),
      () => proxy.blackHole(),
      () => {
        proxy.refuse();
        void proxy.heal();
      },
    ]) {
      const a = await client();
      a.socket.write('x');
      before();
      await Promise.all([proxy.close(), proxy.close()]);
      await eventually(() => expect(a.closed).toBe(true));
      await eventually(() => expect(echo.connections).toBe(0));
      expect((await client()).error).toBe('ECONNREFUSED');
      proxy = await faultProxy(echo);
    }
  });
});

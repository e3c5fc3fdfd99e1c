import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, faultProxy } from '../src/faults/index.ts';

let echo: Server;
let received = '';
let proxy: FaultProxy;
const serverSockets = new Set<Socket>();

beforeEach(async () => {
  received = '';
  echo = createServer((socket) => {
    track(socket).on('data', (chunk) => {
      received += chunk;
      socket.write(`<${chunk}>`);
    });
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await faultProxy(echoTarget());
});

afterEach(async () => {
  await proxy.close();
  for (const socket of serverSockets) socket.destroy();
  echo.close();
});

function track(socket: Socket): Socket {
  serverSockets.add(socket);
  return socket.once('close', () => serverSockets.delete(socket)).on('error', () => {});
}

const echoTarget = (server = echo): { host: string; port: number } => ({
  host: '127.0.0.1',
  port: (server.address() as { port: number }).port,
});

interface Client {
  readonly socket: Socket;
  readonly text: string;
  readonly error: string | undefined;
  readonly closed: boolean;
}

async function client(to: FaultProxy = proxy): Promise<Client> {
  const socket = connect({ host: to.host, port: to.port, noDelay: true });
  const state = { socket, text: '', error: undefined as string | undefined, closed: false };
  socket.on('data', (chunk) => {
    state.text += chunk;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    state.error = error.code;
  });
  socket.on('close', () => {
    state.closed = true;
  });
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => {});
  return state;
}

const eventually = (assertion: () => void): Promise<void> =>
  expect.poll(() => settles(assertion), { timeout: 10_000 }).toBe('yes');
function settles(assertion: () => void): string {
  try {
    assertion();
    return 'yes';
  } catch (error) {
    return String(error);
  }
}

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
    await eventually(() => expect(received.length).toBe(8 << 20));
    await eventually(() => expect(a.text.replaceAll(/[<>]/g, '').length).toBe(8 << 20));
  });

  it('delay: later and in order, each direction on its own', async () => {
    const a = await client();
    proxy.delay(300, 'to-client');
    const sentAt = performance.now();
    a.socket.write('1');
    await eventually(() => expect(received).toBe('1'));
    proxy.delay(0);
    a.socket.write('2');
    await eventually(() => expect(a.text).toBe('<1><2>'));
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(299);
    proxy.delay(60_000);
    a.socket.write('3');
    await sleep(100);
    expect(received).toBe('12');
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
    expect({ received, a: a.text, aClosed: a.closed, cClosed: c.closed, serverSide: serverSockets.size }).toEqual({
      ...{ received: '', a: '', aClosed: false, cClosed: false, serverSide: 3 },
    });
    await proxy.heal();
    // A stream never goes on with a gap: what lost bytes is reset.
    await eventually(() => expect([a.error, c.error, serverSockets.size]).toEqual(['ECONNRESET', 'ECONNRESET', 0]));
    const d = await client();
    d.socket.write('again');
    await eventually(() => expect(d.text).toBe('<again>'));
  });

  it('blackHole in one direction: requests arrive, answers do not; a connection that lost nothing lives on', async () => {
    const [a, idle] = [await client(), await client()];
    proxy.blackHole('to-client');
    a.socket.write('done');
    await eventually(() => expect(received).toBe('done'));
    await sleep(100);
    expect(a.text).toBe('');
    await proxy.heal();
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    idle.socket.write('still here');
    await eventually(() => expect(idle.text).toBe('<still here>'));
    proxy.blackHole('to-server');
    idle.socket.write('never');
    await sleep(100);
    expect(received).toBe('donestill here');
  });

  it('hold: all is delivered at heal, in order', async () => {
    const a = await client();
    proxy.hold('to-server');
    a.socket.write('1');
    await sleep(50);
    a.socket.end('2');
    await sleep(100);
    expect(received).toBe('');
    await proxy.heal();
    await eventually(() => expect(received).toBe('12'));
    await eventually(() => expect(a.closed).toBe(true));
    expect(a.text.replaceAll(/[<>]/g, '')).toBe('12');
    expect(a.error).toBeUndefined();
  });

  it('swallowReplies: the request is served, the answer is gone, the connection says nothing more until heal resets it', async () => {
    const [a, other] = [await client(), await client()];
    a.socket.write('before');
    await eventually(() => expect(a.text).toBe('<before>'));
    const swallowed = proxy.swallowReplies({ match: (request) => request.includes('SET') });
    a.socket.write('GET');
    await eventually(() => expect(a.text).toBe('<before><GET>'));
    a.socket.write('SET');
    await swallowed;
    expect(received).toBe('beforeGETSET');
    a.socket.write('more');
    other.socket.write('SET');
    await eventually(() => expect(other.text).toBe('<SET>'));
    await eventually(() => expect(received).toContain('more'));
    expect([a.text, a.closed]).toEqual(['<before><GET>', false]);
    await proxy.heal();
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    expect(other.closed).toBe(false);
  });

  it('swallowReplies: finds a request that comes in segments; thenCut resets the connection after the server answered', async () => {
    echo.removeAllListeners('connection').on('connection', (socket: Socket) => {
      track(socket).on('data', (chunk) => {
        received += chunk;
        if (received.endsWith('\n')) socket.write('OK');
      });
    });
    const a = await client();
    const swallowed = proxy.swallowReplies({ thenCut: true, match: (request) => request.includes('SET key') });
    a.socket.write('SET');
    await eventually(() => expect(received).toBe('SET'));
    a.socket.write(' key\n');
    await swallowed;
    expect(received).toBe('SET key\n');
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    expect(a.text).toBe('');
  });

  it('swallowReplies: count answers, on several connections, and an order that heal cancels rejects', async () => {
    const [a, b] = [await client(), await client()];
    let done = false;
    const swallowed = proxy.swallowReplies({ count: 2, thenCut: true }).then(() => {
      done = true;
    });
    a.socket.write('1');
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    expect(done).toBe(false);
    b.socket.write('2');
    await swallowed;
    const never = proxy.swallowReplies();
    await proxy.heal();
    await expect(never).rejects.toThrow('healed');
  });

  it('cut: resets both sides, new connections work', async () => {
    const a = await client();
    await eventually(() => expect(serverSockets.size).toBe(1));
    proxy.cut();
    await eventually(() => expect([a.error, serverSockets.size]).toEqual(['ECONNRESET', 0]));
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

  it('target: new connections go to another server; one that is down resets them', async () => {
    const old = await client();
    const second = createServer((socket) => socket.on('error', () => {}).end('second'));
    second.listen(0, '127.0.0.1');
    await once(second, 'listening');
    proxy.target(echoTarget(second));
    const a = await client();
    await eventually(() => expect(a.text).toBe('second'));
    old.socket.write('old');
    await eventually(() => expect(old.text).toBe('<old>'));
    const down = { ...echoTarget(second) };
    await new Promise((resolve) => second.close(resolve));
    proxy.target(down);
    const b = await client();
    await eventually(() => expect(b.error).toBe('ECONNRESET'));
  });

  it('close: idempotent, leaves no connection, also while refusing, reopening or partitioned', async () => {
    for (const before of [
      () => {},
      () => proxy.refuse(),
      () => proxy.blackHole(),
      () => (proxy.refuse(), void proxy.heal()),
    ]) {
      const a = await client();
      a.socket.write('x');
      before();
      await Promise.all([proxy.close(), proxy.close()]);
      await eventually(() => expect(a.closed).toBe(true));
      await eventually(() => expect(serverSockets.size).toBe(0));
      expect((await client()).error).toBe('ECONNREFUSED');
      proxy = await faultProxy(echoTarget());
    }
  });
});

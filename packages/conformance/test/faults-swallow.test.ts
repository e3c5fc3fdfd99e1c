import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, faultProxy } from '../src/faults/index.ts';
import { type Client, connectTo, type EchoServer, eventually, startEcho } from './faults-echo.ts';

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

describe('faultProxy: swallowReplies', () => {
  it('the request is served, the answer is gone, the connection says nothing more until heal resets it', async () => {
    const [a, other] = [await client(), await client()];
    a.socket.write('before');
    await eventually(() => expect(a.text).toBe('<before>'));
    const swallowed = proxy.swallowReplies({ match: (request) => request.includes('SET') });
    a.socket.write('GET');
    await eventually(() => expect(a.text).toBe('<before><GET>'));
    a.socket.write('SET');
    await swallowed;
    expect(echo.received).toBe('beforeGETSET');
    a.socket.write('more');
    other.socket.write('SET');
    await eventually(() => expect(other.text).toBe('<SET>'));
    await eventually(() => expect(echo.received).toContain('more'));
    expect([a.text, a.closed]).toEqual(['<before><GET>', false]);
    await proxy.heal();
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    expect(other.closed).toBe(false);
  });

  it('finds a request that comes in segments; thenCut resets the connection after the server answered', async () => {
    await using server = await startEcho((_chunk, received) => (received.endsWith('\n') ? 'OK' : undefined));
    proxy.target(server);
    const a = await client();
    const swallowed = proxy.swallowReplies({ thenCut: true, match: (request) => request.includes('SET key') });
    a.socket.write('SET');
    await eventually(() => expect(server.received).toBe('SET'));
    a.socket.write(' key\n');
    await swallowed;
    expect(server.received).toBe('SET key\n');
    await eventually(() => expect(a.error).toBe('ECONNRESET'));
    expect(a.text).toBe('');
  });

  it('count answers, on several connections, and an order that heal cancels rejects', async () => {
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
});

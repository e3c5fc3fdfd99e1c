import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'vitest';

/** A TCP server that answers `<text>` to each piece of text, or what `answer` says. */
export interface EchoServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** All that it received, from all connections. */
  readonly received: string;
  /** How many connections it has open. */
  readonly connections: number;
}

export async function startEcho(
  answer: (chunk: string, received: string) => string | undefined = (chunk) => `<${chunk}>`,
): Promise<EchoServer> {
  const sockets = new Set<Socket>();
  let received = '';
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket)).on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk;
      const text = answer(String(chunk), received);
      if (text !== undefined) socket.write(text);
    });
  });
  const { host, port } = await listen(server);
  return {
    host,
    port,
    get received() {
      return received;
    },
    get connections() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function listen(server: Server): Promise<{ host: string; port: number }> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

/** A connection and what has become of it. */
export interface Client {
  readonly socket: Socket;
  readonly text: string;
  readonly error: string | undefined;
  readonly closed: boolean;
}

/** Connects, and resolves when that has worked or failed. */
export async function connectTo({ host, port }: { host: string; port: number }): Promise<Client> {
  const socket = connect({ host, port, noDelay: true });
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

/** Polls until the assertion holds; fails after a generous 20 s. */
export async function eventually(assertion: () => void): Promise<void> {
  await expect.poll(() => settles(assertion), { timeout: 20_000, interval: 20 }).toBe('holds');
}

function settles(assertion: () => void): string {
  try {
    assertion();
    return 'holds';
  } catch (error) {
    return String(error);
  }
}

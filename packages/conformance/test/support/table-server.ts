import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Clock, type LockAdapter, systemClock } from '@holdfast/lock-core';
import { memoryAdapter, memoryStore } from '../../../adapter-memory/src/index.ts';
import { encode, receive } from './wire.ts';

export interface Request {
  readonly id: number;
  readonly call: 'tryAcquire' | 'renew' | 'downgrade' | 'release' | 'inspect' | 'keys' | 'forceRelease';
  readonly args: readonly unknown[];
}

/** The smallest backend behind a network: the memory adapter over TCP, with all that a harness can do to a server. */
export interface TableServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock & { ahead: number };
  freeze(): Promise<() => void>;
  /** All connections end; `forget` empties it too. */
  restart(options?: { forget?: boolean }): Promise<void>;
}

/** Starts it on a free port; `engine` makes the backend over a store, for one with a bug. */
export async function startTableServer(
  engine: (right: LockAdapter) => LockAdapter = (right) => right,
): Promise<TableServer> {
  const clock = {
    ...systemClock,
    ahead: 0,
    now: () => systemClock.now() + clock.ahead,
  };
  const make = () => engine(memoryAdapter({ store: memoryStore(), clock, fairness: 'none' }));
  let backend = make();
  const sockets = new Set<Socket>();
  let frozen: (() => void)[] | undefined;

  async function answer(socket: Socket, { id, call, args }: Request): Promise<void> {
    if (frozen) await new Promise<void>((resolve) => frozen!.push(resolve));
    const act = backend[call] as (...all: readonly unknown[]) => Promise<unknown>;
    const value = await act(...args);
    if (!socket.destroyed) socket.write(encode({ id, value }));
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    receive(socket, (message) => void answer(socket, message as Request));
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.resetAndDestroy();
    await new Promise((resolve) => server.close(resolve));
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;

  return {
    host: '127.0.0.1',
    port,
    clock,
    async freeze() {
      frozen = [];
      return () => {
        const waiting = frozen ?? [];
        frozen = undefined;
        for (const goOn of waiting) goOn();
      };
    },
    async restart({ forget = false } = {}) {
      await stop();
      if (forget) backend = make();
      await listen(port);
    },
    [Symbol.asyncDispose]: stop,
  };
}

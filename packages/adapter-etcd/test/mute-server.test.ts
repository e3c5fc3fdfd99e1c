import { fork } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { expect, it, onTestFinished } from 'vitest';

it.each(['plain', 'tls'])(
  'a process that has closed its locks ends, although the %s server is mute',
  async (kind) => {
    const sockets = new Set<net.Socket>();
    const mute = net.createServer((socket) => sockets.add(socket.on('error', () => {}).resume()));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as net.AddressInfo;
    const user = fork(new URL('./support/mute-user.ts', import.meta.url), [String(port), kind], {
      execArgv: ['--import', 'tsx'],
    });
    onTestFinished(() => {
      user.kill('SIGKILL');
      for (const socket of sockets) socket.destroy();
      mute.close();
    });
    const exited = once(user, 'exit');
    await once(user, 'message');
    const ended = await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 10_000, 'still running'))]);
    expect(ended).toEqual([0, null]);
  },
  40_000,
);

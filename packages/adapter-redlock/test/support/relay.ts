import { connect, createServer, type Socket } from 'node:net';
import type { Address } from './nodes.ts';

/** An address whose server can change, as that of a name can. */
export interface Relay extends Address {
  /** Leads to another server from the next connection on, and breaks those that are open. */
  lead(to: Address): void;
  close(): Promise<void>;
}

export async function relay(target: Address): Promise<Relay> {
  let to = target;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to.port, to.host);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
    lead(next) {
      to = next;
      cut();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

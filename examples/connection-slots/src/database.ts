import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** A database that takes a few connections and turns away the rest, as they do. */
export interface Database {
  readonly port: number;
  /** The most that were open at once. */
  readonly most: number;
  /** How many it turned away. */
  readonly refused: number;
  /** How many queries it answered. */
  readonly answered: number;
  close(): Promise<void>;
}

export async function startDatabase(limit: number): Promise<Database> {
  const state = { most: 0, refused: 0, answered: 0 };
  const open = new Set<Socket>();
  // Half-open: the server closes a connection itself, after the client has said that it is done.
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    if (open.size >= limit) {
      state.refused++;
      socket.end('too many connections');
      return;
    }
    open.add(socket);
    state.most = Math.max(state.most, open.size);
    socket.write('welcome');
    socket.on('data', () => {
      state.answered++;
      socket.write('row');
    });
    const gone = () => open.delete(socket);
    socket.on('close', gone);
    socket.on('end', () => {
      gone();
      socket.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return Object.assign(state, {
    port,
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}

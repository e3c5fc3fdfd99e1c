import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

const sockets = new Set<Socket>();

// Node tells of each socket that a client library opens, those under HTTP/2 too, which do not show among its active resources.
subscribe('net.client.socket', (message) => {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
});

/** How many connections of this process to servers stand, of all that were opened since this module was loaded. */
export function openConnections(): number {
  return [...sockets].filter(({ connecting, destroyed }) => !connecting && !destroyed).length;
}

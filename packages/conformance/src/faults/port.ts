import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** A port number that no other proxy takes until it is closed, not even while nothing listens on it. */
export interface ReservedPort {
  readonly port: number;
  close(): void;
}

/**
 * Reserves a port below those that systems give to outgoing connections. What tells the proxies of all processes of the machine
 * that it is taken is a UDP socket of the same number: the TCP port is free while its proxy refuses connections.
 */
export async function reservePort(host: string): Promise<ReservedPort> {
  for (;;) {
    const socket: Socket = createSocket('udp4');
    try {
      socket.bind({ address: host, port: randomInt(12_000, 32_000), exclusive: true });
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      continue;
    }
    socket.unref();
    return { port: socket.address().port, close: () => socket.close() };
  }
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server that may change each answer. */
export interface Relay extends AsyncDisposable {
  /** `host:port` */
  readonly at: string;
  /** How many connections were made through it. */
  readonly made: number;
}

/** Changes a frame of the server's in place; the handshake is not shown. `code` stands at 16, the number of the request at 4. */
export type ChangeAnswer = (frame: Buffer) => void;

/** Relays to a ZooKeeper server on this machine, frame by frame. */
export async function answerRelay(port: number, change: ChangeAnswer): Promise<Relay> {
  const sockets = new Set<Socket>();
  let made = 0;
  const listener = createServer((client) => {
    made += 1;
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, upstream].forEach((one) => void one.destroy()));
    }
    client.on('data', (data) => void upstream.write(data));
    let rest = Buffer.alloc(0);
    let isHandshake = true;
    upstream.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE()) {
        const frame = Buffer.from(rest.subarray(0, 4 + rest.readInt32BE()));
        rest = rest.subarray(frame.length);
        if (!isHandshake) change(frame);
        isHandshake = false;
        client.write(frame);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    at: `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get made() {
      return made;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}

import { connect, type Socket } from 'node:net';
import type { Connection } from '../../src/engine/network.ts';
import type { ByteConnection } from '../../src/engine/socket.ts';
import type { Front } from '../../src/servers/zookeeper/front.ts';
import { bytes, createFrameParser, frame, int, long } from '../../src/servers/zookeeper/jute.ts';

/** A connection that speaks the protocol of ZooKeeper: to the real server, or to the model. */
export interface Wire {
  /** What has arrived and was not taken yet, in whole messages. */
  readonly frames: Buffer[];
  readonly isClosed: boolean;
  send(bytes: Buffer): void;
  /** Resolves when `isEnough` says so, or the server has closed the connection. */
  until(isEnough: (frames: readonly Buffer[]) => boolean): Promise<void>;
  /** Ends the connection without a word to the session. */
  drop(): void;
}

export function connectReal(port: number): Wire {
  const frames: Buffer[] = [];
  let isClosed = false;
  let look = (): void => {};
  const socket: Socket = connect(port, '127.0.0.1');
  socket.setNoDelay();
  const parse = createFrameParser((each) => void frames.push(each));
  socket.on('data', (chunk) => {
    parse(chunk);
    look();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
    look();
  });
  return {
    frames,
    get isClosed() {
      return isClosed;
    },
    send: (data) => void socket.write(data),
    until: (isEnough) =>
      new Promise((resolve) => {
        look = (): void => {
          if (isEnough(frames) || isClosed) resolve();
        };
        look();
      }),
    drop: () => void socket.destroy(),
  };
}

/** The model answers before `send` returns. */
export function connectModel(front: Front): Wire {
  const frames: Buffer[] = [];
  const listeners: ((broke: boolean) => void)[] = [];
  let isOpen = true;
  const parse = createFrameParser((each) => void frames.push(each));
  const connection: ByteConnection & { toClient(chunk: Buffer): void } = {
    id: 0,
    client: 0,
    server: 0,
    isDead: false,
    get isOpen() {
      return isOpen;
    },
    send: (_direction, run) => run(),
    close() {
      isOpen = false;
    },
    reset() {},
    holdUp() {},
    breakAtClient() {},
    onEnd: (_side, listener) => void listeners.push(listener),
    toClient: parse,
  };
  front.accept(connection as Connection);
  return {
    frames,
    get isClosed() {
      return !isOpen;
    },
    send: (data) => connection.bytes?.onData(data),
    until: async () => {},
    drop() {
      isOpen = false;
      for (const listener of listeners) listener(true);
    },
  };
}

/** The first message of a connection; a session of 0 asks for a new one. */
export const handshake = (lastZxidSeen: bigint, timeoutMs: number, session: bigint, password: Buffer): Buffer =>
  frame(int(0), long(lastZxidSeen), int(timeoutMs), long(session), bytes(password));

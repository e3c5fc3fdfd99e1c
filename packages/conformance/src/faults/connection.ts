import { connect, type Socket } from 'node:net';
import { type Cargo, createLane, type LaneFaults } from './lane.ts';
import type { SwallowingConnection } from './swallowing.ts';
import type { ProxyTarget } from './types.ts';

/** One proxied connection. */
export interface Connection {
  /** Whether the client's side is open. */
  readonly open: boolean;
  /** Resets both sides. */
  reset(): void;
  /** Lets out what is held or delayed; a connection that lost bytes is reset instead. */
  heal(): void;
}

export interface ConnectionSetup {
  readonly client: Socket;
  readonly target: ProxyTarget;
  readonly toServer: LaneFaults;
  readonly toClient: LaneFaults;
  readonly swallowing: SwallowingConnection;
  readonly passed: (direction: 'toClient' | 'toServer', bytes: number) => void;
  /** Called once both sides are closed. */
  readonly closed: () => void;
}

export function openConnection(setup: ConnectionSetup): Connection {
  const { client, swallowing, passed } = setup;
  const server = connect({ ...setup.target, allowHalfOpen: true, noDelay: true });
  let gap = false;
  const lost = (): void => {
    gap = true;
  };

  const toServer = createLane(
    setup.toServer,
    (cargo) => {
      if (Buffer.isBuffer(cargo)) {
        passed('toServer', cargo.length);
        swallowing.request(cargo);
      }
      forward(cargo, client, server);
    },
    lost,
  );
  const toClient = createLane(
    setup.toClient,
    (cargo) => {
      if (Buffer.isBuffer(cargo)) passed('toClient', cargo.length);
      forward(cargo, server, client);
    },
    lost,
  );

  const reset = (): void => {
    toServer.discard();
    toClient.discard();
    client.resetAndDestroy();
    server.resetAndDestroy();
  };

  receive(client, (cargo) => toServer.push(cargo));
  receive(server, (cargo) => {
    if (Buffer.isBuffer(cargo) && swallowing.answer() === 'cut') return reset();
    if (cargo !== 'reset' && swallowing.mute) return lost();
    toClient.push(cargo);
  });
  for (const [socket, other] of [
    [client, server],
    [server, client],
  ] as const) {
    socket.on('drain', () => other.resume());
    socket.once('close', () => {
      other.resume();
      if (other.closed) setup.closed();
    });
  }

  return {
    get open() {
      return !client.destroyed;
    },
    reset,
    heal() {
      if (gap) return reset();
      toServer.flush();
      toClient.flush();
    },
  };
}

/** Hands on what a socket receives, and at last how it ended. */
function receive(from: Socket, push: (cargo: Cargo) => void): void {
  let ended = false;
  from.on('data', push);
  from.once('end', () => {
    ended = true;
    push('end');
  });
  from.on('error', () => {}); // 'close' follows
  from.once('close', (failed) => {
    if (failed || !ended) push('reset');
  });
}

function forward(cargo: Cargo, from: Socket, to: Socket): void {
  if (to.destroyed) return;
  if (cargo === 'reset') to.resetAndDestroy();
  else if (cargo === 'end') to.end();
  else if (!to.write(cargo)) from.pause();
}

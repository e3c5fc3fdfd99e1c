import type { Socket } from 'node:net';
import type { Etcd3 } from 'etcd3';

interface SecureConnector {
  connect(socket: Socket): Promise<unknown>;
}

/** What gRPC makes its TLS connections with. It offers no public way to end a handshake. */
interface PrivateCredentials {
  _createSecureConnector?: (...args: unknown[]) => SecureConnector;
}

/**
 * A server that never answers the TLS handshake would keep the process alive after `close`: gRPC does not end a connection that
 * is still being established. The returned function ends those of a client.
 */
export function trackHandshakes(client: Etcd3): () => void {
  const { pool } = client as unknown as { pool?: { hosts?: readonly { channelCredentials?: PrivateCredentials }[] } };
  const underway = new Set<Socket>();
  let ended = false;
  for (const { channelCredentials } of pool?.hosts ?? []) {
    const create = channelCredentials?._createSecureConnector;
    if (channelCredentials === undefined || typeof create !== 'function') continue;
    channelCredentials._createSecureConnector = (...args) => {
      const connector = create.apply(channelCredentials, args);
      const { connect } = connector;
      if (typeof connect !== 'function') return connector;
      connector.connect = (socket) => {
        const connecting = connect.call(connector, socket);
        if (ended) socket.destroy();
        underway.add(socket);
        const done = (): void => void underway.delete(socket);
        connecting.then(done, done);
        socket.once?.('close', done);
        return connecting;
      };
      return connector;
    };
  }
  return () => {
    ended = true;
    for (const socket of underway) socket.destroy();
  };
}

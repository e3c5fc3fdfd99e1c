import type { ZookeeperClient } from './client.ts';
import { patchClient } from './client-patches.ts';

/**
 * Makes a client of `node-zookeeper-client` handle error codes that it does not know, such as -124 (authentication is enforced). The
 * request then fails with an error whose `code` can be passed to `explainAnswer`. Otherwise, the client would throw where only the
 * process can catch the error. This is for tools that create their own clients; the adapter does the same for its clients.
 * @param onRefused is called if the server refuses to serve the client at all. The client is then closed.
 */
export function tolerateUnknownAnswers(
  client: Pick<ZookeeperClient, 'connectionManager'>,
  onRefused: (error: Error) => void,
): void {
  const manager = client.connectionManager;
  const refuse = (error: Error): void => {
    // The library would connect again, and be refused again, for ever.
    manager.connect = () => {};
    manager.socket?.destroy();
    onRefused(error);
  };
  patchClient(manager, { isOld: true }, { onUnreadable: refuse, onAuthenticationRequired: refuse });
}

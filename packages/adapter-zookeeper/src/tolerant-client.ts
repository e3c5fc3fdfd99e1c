import type { ZookeeperClient } from './client.ts';
import { patchClient } from './client-patches.ts';

/**
 * Lets a client of `node-zookeeper-client` answer error codes that it does not know, such as -124 (authentication is enforced).
 * The request then fails with an error that has the `code`, which `explainAnswer` explains; by itself, the client throws where
 * only the process can catch it. For tools that make clients of their own; the adapter does so by itself.
 * @param onRefused Is told when the server will not serve the client at all, and then the client is closed.
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

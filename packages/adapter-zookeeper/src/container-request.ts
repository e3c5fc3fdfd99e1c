import type { ConnectionManager } from './client.ts';

// Kinds of requests and of nodes, by the protocol's numbers.
const create = 1;
const createContainer = 19;
const containerMode = 4;

/**
 * Makes `create` with mode 4 ask for a container. The library knows no such request and would send the mode with a plain
 * create: the server then makes a persistent node, and logs that its digest of the tree is wrong.
 */
export function teachContainers(manager: ConnectionManager): void {
  const { queue } = manager;
  manager.queue = (request, done) => {
    const { header, payload, toBuffer } = request;
    if (header?.type === create && payload?.flags === containerMode) {
      request.toBuffer = () => {
        // On the wire only: the library reads the answer, which begins as that to a create, by this number.
        header.type = createContainer;
        const bytes = toBuffer.call(request);
        header.type = create;
        return bytes;
      };
    }
    queue.call(manager, request, done);
  };
}

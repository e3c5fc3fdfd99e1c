import { codeOf, codes } from './failures.ts';
import { modes, type Zookeeper } from './zookeeper.ts';

/** Makes the node of a key, and what is above it. */
export type MakeParent = (path: string) => Promise<void>;

/**
 * The node of a key is a container: the server removes it some time after its last child, so that keys used once leave nothing
 * behind (H75). A server older than 3.5 knows none; there it is a persistent node.
 */
export function parentMaker(zookeeper: Zookeeper): MakeParent {
  let containers = true;

  async function make(path: string, mode: number): Promise<void> {
    try {
      await zookeeper.create(path, mode);
    } catch (error) {
      const code = codeOf(error);
      if (code === codes.nodeExists) return;
      if (code === codes.noNode) {
        await make(path.slice(0, path.lastIndexOf('/')), modes.persistent);
        return make(path, mode);
      }
      if (mode !== modes.container || (code !== codes.badArguments && code !== codes.unimplemented)) throw error;
      containers = false;
      await make(path, modes.persistent);
    }
  }

  return (path) => make(path, containers && !zookeeper.hasOldServers ? modes.container : modes.persistent);
}

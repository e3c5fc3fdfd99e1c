// The library has no types of its own; this is what we use of it.
declare module 'node-zookeeper-client' {
  import type { ClientOptions, ZookeeperClient } from './client.ts';

  const zookeeper: {
    createClient(servers: string, options: ClientOptions): ZookeeperClient;
    readonly ACL: new (permission: number, id: object) => object;
    readonly Id: new (scheme: string, id: string) => object;
  };
  export default zookeeper;
}

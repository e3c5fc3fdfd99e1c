// The library has no types of its own; these cover the parts that the adapter uses.
declare module 'node-zookeeper-client' {
  const zookeeper: {
    createClient: import('./client.ts').ClientFactory;
    readonly ACL: new (permission: number, id: object) => object;
    readonly Id: new (scheme: string, id: string) => object;
  };
  export default zookeeper;
}

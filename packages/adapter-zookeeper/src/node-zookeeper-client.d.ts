// The library has no types of its own; this is what we use of it.
declare module 'node-zookeeper-client' {
  const zookeeper: {
    createClient: import('./client.ts').ClientFactory;
    readonly ACL: new (permission: number, id: object) => object;
    readonly Id: new (scheme: string, id: string) => object;
  };
  export default zookeeper;
}

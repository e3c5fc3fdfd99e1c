// The library has no types of its own; this is what the raw calls use of it.
declare module 'node-zookeeper-client' {
  type Done<T> = (error: unknown, result: T) => void;
  export interface RawZookeeper extends NodeJS.EventEmitter {
    connect(): void;
    close(): void;
    mkdirp(path: string, done: Done<void>): void;
    create(path: string, mode: number, done: Done<string>): void;
    getChildren(path: string, done: Done<string[]>): void;
    exists(path: string, done: Done<object | null>): void;
    remove(path: string, version: number, done: Done<void>): void;
  }
  const zookeeper: { createClient(servers: string, options: { sessionTimeout: number }): RawZookeeper };
  export default zookeeper;
}

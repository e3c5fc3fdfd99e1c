import { faultProxy } from './proxy.ts';
import type { Direction, FaultProxy, ProxyTarget } from './types.ts';

/** One proxy in front of each server of a backend. All of them inject every fault at once. */
export interface FaultProxies extends AsyncDisposable {
  /** The proxies to which a client should connect, in the order of the servers. */
  readonly proxies: readonly FaultProxy[];
  /** The number of client connections that are open now, over all proxies. */
  readonly connections: number;
  /** As `FaultProxy.delay`. */
  delay(ms: number, direction?: Direction): void;
  /** As `FaultProxy.blackHole`. */
  blackHole(direction?: Direction): void;
  /** As `FaultProxy.hold`. */
  hold(direction?: Direction): void;
  /** As `FaultProxy.cut`. */
  cut(): void;
  /** As `FaultProxy.refuse`. */
  refuse(): void;
  /** As `FaultProxy.heal`. */
  heal(): Promise<void>;
  /** As `FaultProxy.close`. */
  close(): Promise<void>;
}

/** Starts a transparent proxy to each of the servers. */
export async function faultProxies(servers: readonly ProxyTarget[]): Promise<FaultProxies> {
  const proxies = await Promise.all(servers.map((server) => faultProxy(server)));
  const each = (fault: (proxy: FaultProxy) => void): void => proxies.forEach(fault);
  const all = async (fault: (proxy: FaultProxy) => Promise<void>): Promise<void> => {
    await Promise.all(proxies.map(fault));
  };
  const close = (): Promise<void> => all((proxy) => proxy.close());
  return {
    proxies,
    get connections() {
      return proxies.reduce((sum, { connections }) => sum + connections, 0);
    },
    delay: (ms, direction) => each((proxy) => proxy.delay(ms, direction)),
    blackHole: (direction) => each((proxy) => proxy.blackHole(direction)),
    hold: (direction) => each((proxy) => proxy.hold(direction)),
    cut: () => each((proxy) => proxy.cut()),
    refuse: () => each((proxy) => proxy.refuse()),
    heal: () => all((proxy) => proxy.heal()),
    close,
    [Symbol.asyncDispose]: close,
  };
}

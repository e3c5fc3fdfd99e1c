import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type Connection, openConnection } from './connection.ts';
import type { LaneFaults } from './lane.ts';
import { type ReservedPort, reservePort } from './port.ts';
import { createSwallowing } from './swallowing.ts';
import type { Direction, FaultProxy, ProxyTarget } from './types.ts';

const host = '127.0.0.1';

/** Starts a proxy to `target` on a free port of 127.0.0.1. It is transparent until its methods inject faults. */
export async function faultProxy(target: ProxyTarget): Promise<FaultProxy> {
  const toServer: LaneFaults = { mode: 'pass', delayMs: 0 };
  const toClient: LaneFaults = { mode: 'pass', delayMs: 0 };
  const connections = new Set<Connection>();
  const bytes = { toClient: 0, toServer: 0 };
  const swallowing = createSwallowing();
  let closed = false;
  let reopening: Promise<void> | undefined;

  const accept = (client: Socket): void => {
    const connection = openConnection({
      ...{ client, target, toServer, toClient },
      swallowing: swallowing.connection(),
      passed: (direction, count) => {
        bytes[direction] += count;
      },
      closed: () => connections.delete(connection),
    });
    connections.add(connection);
  };
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  const reserved = await listenSomewhere();
  const { port } = reserved;

  async function listen(port: number): Promise<void> {
    listener.listen({ host, port, exclusive: true });
    await once(listener, 'listening');
  }

  async function listenSomewhere(): Promise<ReservedPort> {
    for (;;) {
      const reserved = await reservePort(host);
      try {
        await listen(reserved.port);
        return reserved;
      } catch (error) {
        reserved.close();
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      }
    }
  }

  const lanes = (direction: Direction): LaneFaults[] => [
    ...(direction === 'to-client' ? [] : [toServer]),
    ...(direction === 'to-server' ? [] : [toClient]),
  ];
  const set = (faults: Partial<LaneFaults>, direction: Direction): void => {
    for (const lane of lanes(direction)) Object.assign(lane, faults);
  };
  const cut = (): void => {
    for (const connection of connections) connection.reset();
  };
  const close = async (): Promise<void> => {
    if (!closed) reserved.close();
    closed = true;
    swallowing.cancel();
    cut();
    await reopening?.catch(() => {});
    if (!listener.listening) return;
    await new Promise((resolve) => listener.close(resolve));
  };

  return {
    host,
    port,
    get connections() {
      return [...connections].filter((connection) => connection.open).length;
    },
    get bytes() {
      return { ...bytes };
    },
    delay: (ms, direction = 'both') => set({ delayMs: ms }, direction),
    blackHole: (direction = 'both') => set({ mode: 'drop' }, direction),
    hold: (direction = 'both') => set({ mode: 'hold' }, direction),
    swallowReplies: (options = {}) => swallowing.order(options),
    cut,
    refuse() {
      listener.close();
      cut();
    },
    async heal() {
      set({ mode: 'pass', delayMs: 0 }, 'both');
      swallowing.cancel();
      for (const connection of connections) connection.heal();
      if (listener.listening || closed) return;
      reopening ??= listen(port).finally(() => {
        reopening = undefined;
      });
      await reopening;
    },
    target(next) {
      target = next;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

import { type FaultProxy, faultProxy } from '@holdfast/conformance/faults';
import { createLocks, type LockAdapter, type Locks, type LocksOptions } from '@holdfast/lock-core';
import { type RedisServer, startRedisNodes } from '@holdfast/testbed';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { RedlockOptions } from '../../src/index.ts';
import { type Address, redlockOver } from './nodes.ts';

/** Five servers with a proxy before each, restored after every test. */
export interface Rig {
  readonly servers: RedisServer[];
  readonly proxies: FaultProxy[];
  /** Over the proxies unless told; closed after the test. */
  adapter(options?: RedlockOptions, over?: readonly Address[]): Promise<LockAdapter>;
  locks(options?: LocksOptions, redlock?: RedlockOptions): Promise<Locks>;
  /** On how many nodes the key of a lock stands. */
  votes(name: string): Promise<number>;
}

export function useRig(): Rig {
  const servers: RedisServer[] = [];
  const proxies: FaultProxy[] = [];
  const opened: { close?(): Promise<void> }[] = [];
  let stop = async (): Promise<void> => {};

  beforeAll(async () => {
    const group = await startRedisNodes(5);
    stop = () => group.stop();
    servers.push(...group.nodes);
  });
  afterAll(() => stop());
  beforeEach(async () => {
    proxies.push(...(await Promise.all(servers.map((server) => faultProxy(server)))));
  });
  afterEach(async () => {
    for (const server of servers) server.thaw();
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    for (const one of opened.splice(0).reverse()) await one.close?.();
    await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  });

  const rig: Rig = {
    servers,
    proxies,
    async adapter(options, over = proxies) {
      const adapter = await redlockOver(over, options);
      opened.push(adapter);
      return adapter;
    },
    async locks(options, redlock) {
      const locks = createLocks(await rig.adapter(redlock), { ttlMs: 3_000, ...options });
      opened.push(locks);
      return locks;
    },
    async votes(name) {
      const standing = await Promise.all(servers.map((server) => server.command('EXISTS', `lock:${name}`)));
      return standing.filter((exists) => exists === 1).length;
    },
  };
  return rig;
}

import { type AddressInfo, createServer, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { faultProxy } from '@holdfast/conformance/faults';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newName, sleep, until } from './helpers.ts';
import { type ClientKit, single, type TestClient } from './kit.ts';
import { leftOf, onlyFences, useNamesOnce } from './used-once.ts';

/** What adapters and bindings do with connections: open theirs, close theirs, and leave those of the user alone. */
export function connectionSuite(kits: readonly ClientKit[]): void {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  describe.each(kits)('$name', (kit) => {
    let client: TestClient;
    beforeAll(() => {
      client = kit.connect(single(server));
    });
    afterAll(() => client.close());

    it('the client is neither closed nor kept busy by an adapter, however many come and go', async () => {
      const comeAndGo = async (): Promise<void> => {
        const adapter = client.adapter();
        const abort = new AbortController();
        await adapter.whenFree?.(newName(), abort.signal);
        abort.abort();
        await adapter.close?.();
        await adapter.close?.();
        expect(await client.works()).toBe(true);
      };
      // The binding of a client listens once, for as long as the client lives.
      await comeAndGo();
      const before = client.listeners();
      for (let i = 0; i < 5; i += 1) await comeAndGo();
      expect(client.listeners()).toBeLessThanOrEqual(before);
    });

    it('H43, H75: 1,000 names used once leave the keys of their tokens, which expire, and nothing else', {
      timeout: 120_000,
    }, async () => {
      const listeners = client.listeners();
      const begin = await useNamesOnce(client.adapter(), client.adapter());
      await until('nothing else is left', async () => isDeepStrictEqual(await leftOf(begin, server), onlyFences));
      expect(client.listeners()).toBeLessThanOrEqual(listeners);
    });

    it('H123: an UNSUBSCRIBE that is lost with its connection leaves no subscription, and waiters keep theirs', async () => {
      const proxy = await faultProxy(server);
      const far = kit.connect(single(proxy));
      const adapter = far.adapter();
      const waiters = Array.from({ length: 12 }, () => ({ key: newName(), abort: new AbortController() }));
      await Promise.all(waiters.map(({ key, abort }) => adapter.whenFree?.(key, abort.signal)));
      // Some leave in time, some while nothing gets through, some while there is no connection, and one stays.
      const leaves = waiters.map((_, i) =>
        i === 0 ? 'never' : ['early', 'lost', 'away'][Math.floor(Math.random() * 3)]!,
      );
      const leave = (when: string): void => {
        for (const [i, { abort }] of waiters.entries()) if (leaves[i] === when) abort.abort();
      };
      leave('early');
      proxy.blackHole('to-server');
      leave('lost');
      await new Promise((resolve) => setImmediate(resolve));
      proxy.refuse();
      leave('away');
      const { key, abort } = waiters[0]!;
      const hint = adapter.whenFree?.(key, abort.signal);
      await proxy.heal();
      await hint;
      await until(`only the waiter is subscribed (${leaves})`, async () => {
        const channels = (await server.command('PUBSUB', 'CHANNELS', '*')) as string[];
        return channels.length === 1 && channels[0] === `lock:${key}`;
      });
      abort.abort();
      await adapter.close?.();
      await far.close();
      await proxy.close();
    });

    it('H43: a subscription that is closed while it connects leaves no connection', async () => {
      const connections = async (): Promise<number> =>
        String(await server.command('CLIENT', 'LIST'))
          .trim()
          .split('\n').length;
      await client.works();
      const before = await connections();
      for (let i = 0; i < 5; i += 1)
        client
          .binding()
          .openSubscriber({ message() {}, connected() {} })
          .close();
      // Time for them to come up: none of them may be seen from then on.
      await sleep(250);
      await until('they are gone', async () => (await connections()) <= before);
    });

    it.each(['single', 'cluster', 'sentinel'] as const)(
      'H43: neither does a client, %s, of servers that accept and never answer',
      async (kind) => {
        const sockets = new Set<Socket>();
        const mute = createServer((socket) => {
          sockets.add(socket);
          socket.on('error', () => {}).on('close', () => sockets.delete(socket));
          socket.resume();
        });
        await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
        const address = { host: '127.0.0.1', port: (mute.address() as AddressInfo).port };
        const nodes = kind === 'single' ? [address] : [address, address, address];
        const other = kit.open({ kind, nodes, masterName: 'm' });
        await until('it is connected', () => sockets.size > 0);
        await other.close?.();
        await until('it is gone', () => sockets.size === 0);
        // Time to try the next of the servers.
        await sleep(250);
        await until('all are gone', () => sockets.size === 0);
        mute.close();
      },
    );
  });
}

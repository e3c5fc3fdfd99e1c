import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Address } from './kit.ts';

/** A proxy whose connections can die without a sign, as behind a firewall that forgets them. Those that come later work. */
export interface HalfOpenProxy extends Address {
  /** How many connections there have been. */
  readonly accepted: number;
  /** From now on the present connections pass nothing, neither bytes nor their ends; of only those that have subscribed, if so wanted. */
  die(which?: 'all' | 'subscribers'): void;
  /** Closes the present connections; from now on, or no longer, new ones are accepted and closed at once. */
  refuse(isRefusing?: boolean): void;
  /** The next connection is accepted, and passes nothing. */
  muteNext(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly ends: readonly [Socket, Socket];
  subscribes: boolean;
  dead: boolean;
}

export async function halfOpenProxy({ host, port }: Address): Promise<HalfOpenProxy> {
  const pairs = new Set<Pair>();
  let accepted = 0;
  let mute = 0;
  let refusing = false;
  const server = createServer({ noDelay: true }, (client) => {
    accepted += 1;
    if (refusing) return void client.on('error', () => {}).destroy();
    const dead = mute > 0;
    if (dead) mute -= 1;
    const pair: Pair = { ends: [client, connect({ host, port, noDelay: true })], subscribes: false, dead };
    pairs.add(pair);
    for (const [from, to] of [pair.ends, [...pair.ends].reverse()] as [Socket, Socket][]) {
      from.on('data', (bytes) => {
        if (from === client) pair.subscribes ||= /\r\ns?subscribe\r\n/i.test(bytes.toString('latin1'));
        if (!pair.dead) to.write(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        if (!pair.dead) to.destroy();
      });
    }
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    host,
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    die(which = 'all') {
      for (const pair of pairs) if (which === 'all' || pair.subscribes) pair.dead = true;
    },
    muteNext() {
      mute += 1;
    },
    refuse(isRefusing = true) {
      refusing = isRefusing;
      if (!refusing) return;
      for (const { ends } of pairs) for (const end of ends) end.destroy();
      pairs.clear();
    },
    async close() {
      for (const { ends } of pairs) for (const end of ends) end.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

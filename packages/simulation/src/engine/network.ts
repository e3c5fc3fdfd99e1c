import type { Random } from '../random.ts';
import type { NetworkTerms } from '../schedule/types.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

export type Direction = 'there' | 'back';

/** A server's machine and what listens on it. */
export interface Host {
  readonly machine: Machine;
  /** Whether connections are accepted at all. */
  isUp: boolean;
  /** Told of each new connection, on the server's machine. */
  accept(connection: Connection): void;
}

/** One connection from a client to a server; messages of one direction keep their order. */
export interface Connection {
  readonly id: number;
  readonly client: number;
  readonly server: number;
  readonly isOpen: boolean;
  /** Whether something on it was lost, and with it all that followed. */
  readonly isDead: boolean;
  /** Has something happen at the other end, after the time that the way takes. */
  send(direction: Direction, run: () => void): void;
  /** Ends it from one side; the other side learns of it later, what is on its way to it first. */
  close(by: 'client' | 'server'): void;
  /** Ends it at once for both, with everything on its way. */
  reset(): void;
  /** Holds up what is on its way to the server, and what is sent yet, for so long. */
  holdUp(ms: number): void;
  /** Breaks it on the client's side; what is on its way still reaches the server. */
  breakAtClient(): void;
  /** Told once on its side, with whether it broke. */
  onEnd(side: 'client' | 'server', listener: (broke: boolean) => void): void;
}

/** A time in which messages between a client and a server do not get through. */
interface Trouble {
  readonly client: number;
  readonly server: number;
  readonly direction: Direction | 'both';
  readonly from: number;
  readonly until: number;
  /** Lost for good, and with it all that follows on the same connection; or late. */
  readonly lost: boolean;
}

export interface Network {
  readonly hosts: Host[];
  /** Opens a connection; `opened` is told on the client's machine, or `refused`, or neither when nobody answers. */
  connect(client: number, machine: Machine, server: number, opened: () => void, refused: () => void): Connection;
  disturb(trouble: Omit<Trouble, 'from' | 'until'>, ms: number): void;
  /** Holds up what a client sends over its present connections; they break on its side meanwhile, so that new ones overtake. */
  halfOpen(client: number, server: number, ms: number, brokenAfterMs: number): void;
  /** Has the name of a server lead to another one, for connections that are opened from now on. */
  lead(server: number, to: number): void;
  /** Ends all troubles, and the connections that did not survive them. */
  heal(): void;
  resetAll(matches: (connection: Connection) => boolean): void;
  /** How many messages a client has sent to servers. */
  sentBy(client: number): number;
}

export function createNetwork(world: World, random: Random, terms: NetworkTerms): Network {
  const hosts: Host[] = [];
  const connections = new Set<Connection>();
  let troubles: Trouble[] = [];
  const counts = new Map<string, number>();
  const leadsTo = new Map<number, number>();
  const sent = new Map<number, number>();
  let nextId = 1;

  function troubleOf(client: number, server: number, direction: Direction): Trouble | undefined {
    if (troubles.length === 0) return undefined;
    troubles = troubles.filter(({ until }) => until > world.now);
    return troubles.find(
      (trouble) =>
        trouble.client === client &&
        trouble.server === server &&
        (trouble.direction === 'both' || trouble.direction === direction),
    );
  }

  function connect(
    client: number,
    machine: Machine,
    server: number,
    opened: () => void,
    refused: () => void,
  ): Connection {
    const way = `${client}>${server}`;
    const count = (counts.get(way) ?? 0) + 1;
    counts.set(way, count);
    const chance = random.fork(`${way} ${count}`);
    const arrivals = { there: 0, back: 0 };
    const dead = { there: false, back: false };
    let heldUpUntil = 0;
    const listeners = { client: [] as ((broke: boolean) => void)[], server: [] as ((broke: boolean) => void)[] };
    const ended = { client: false, server: false };
    const host = hosts[leadsTo.get(server) ?? server]!;

    const delayMs = (direction: Direction): number => {
      const maySlow = terms.slowWay === undefined || terms.slowWay === direction;
      const slow = maySlow && chance.chance(terms.slowRate) ? chance.next() * terms.slowMs : 0;
      return terms.leastMs + chance.next() * (terms.mostMs - terms.leastMs) + slow;
    };
    const machineOf = (direction: Direction): Machine => (direction === 'there' ? host.machine : machine);
    const sideOf = (direction: Direction) => (direction === 'there' ? 'server' : 'client');

    function end(side: 'client' | 'server', broke: boolean): void {
      if (ended[side]) return;
      ended[side] = true;
      if (ended.client && ended.server) connections.delete(connection);
      for (const listener of listeners[side]) listener(broke);
    }

    /** Like `send`, for what keeps its place behind everything sent before. */
    function deliver(direction: Direction, run: () => void): void {
      if (direction === 'there') sent.set(client, (sent.get(client) ?? 0) + 1);
      const trouble = troubleOf(client, server, direction);
      if (trouble?.lost) dead[direction] = true;
      if (dead[direction]) {
        // Somebody on the way has forgotten the connection, and says so once messages get through again.
        if (trouble === undefined) world.after(delayMs(direction), () => connection.reset());
        return;
      }
      const earliest = trouble === undefined ? 0 : trouble.until;
      const at = Math.max(arrivals[direction] + 0.001, earliest, world.now + delayMs(direction));
      arrivals[direction] = at;
      const arrive = (): void => {
        if (direction === 'there' && world.now < heldUpUntil) return void world.at(heldUpUntil, arrive);
        if (ended[sideOf(direction)]) return;
        machineOf(direction).receive(() => {
          if (!ended[sideOf(direction)]) run();
        });
      };
      world.at(at, arrive);
    }

    const connection: Connection = {
      id: nextId++,
      client,
      server,
      get isOpen() {
        return !ended.client && !ended.server;
      },
      send: deliver,
      close(by) {
        deliver(by === 'client' ? 'there' : 'back', () => end(by === 'client' ? 'server' : 'client', false));
        ended[by] = true;
        if (ended.client && ended.server) connections.delete(connection);
      },
      reset() {
        // Each side sees it in its own time.
        machine.receive(() => end('client', true));
        host.machine.receive(() => end('server', true));
      },
      holdUp(ms) {
        heldUpUntil = world.now + ms;
        arrivals.there = Math.max(arrivals.there, heldUpUntil);
      },
      breakAtClient() {
        if (ended.client || ended.server) return;
        deliver('there', () => end('server', true));
        machine.receive(() => end('client', true));
      },
      onEnd: (side, listener) => void listeners[side].push(listener),
      get isDead() {
        return dead.there || dead.back;
      },
    };
    connections.add(connection);
    deliver('there', () => {
      if (!host.isUp) {
        deliver('back', () => {
          end('client', true);
          refused();
        });
        ended.server = true;
        return;
      }
      host.accept(connection);
      deliver('back', opened);
    });
    return connection;
  }

  return {
    hosts,
    connect,
    disturb(trouble, ms) {
      troubles.push({ ...trouble, from: world.now, until: world.now + ms });
    },
    halfOpen(client, server, ms, brokenAfterMs) {
      const present = [...connections].filter((one) => one.client === client && one.server === server);
      for (const connection of present) connection.holdUp(ms);
      world.after(brokenAfterMs, () => {
        for (const connection of present) connection.breakAtClient();
      });
    },
    lead: (server, to) => void leadsTo.set(server, to),
    heal() {
      troubles = [];
      for (const connection of [...connections]) if (connection.isDead) connection.reset();
    },
    resetAll(matches) {
      for (const connection of [...connections]) if (matches(connection)) connection.reset();
    },
    sentBy: (client) => sent.get(client) ?? 0,
  };
}

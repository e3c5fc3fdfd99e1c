import * as testbed from '@holdfast/testbed';

interface Stoppable {
  stop(): Promise<void>;
}

type Started = { ports: readonly number[] } & Stoppable;

/** Servers with fixed usual ports, and how to start them; `count` is how many of the ports the text names. */
interface Kind {
  readonly ports: readonly number[];
  start(count: number): Promise<Started>;
}

/** Started for each block anew: they take milliseconds. */
const redis: Kind = {
  ports: [6379, 6380, 6381, 6382, 6383],
  start: async (count) => portsOf((await testbed.startRedisNodes(count)).nodes),
};

/** Started once for all blocks, which use them one after another. */
const shared: readonly Kind[] = [
  {
    ports: [7000, 7001, 7002],
    start: async () => {
      const cluster = await testbed.startRedisCluster();
      return { ports: cluster.nodes.map((node) => node.port), stop: () => cluster.stop() };
    },
  },
  {
    ports: [26_379, 26_380, 26_381],
    start: async () => {
      const group = await testbed.startRedisSentinel();
      return { ports: group.sentinels.map((node) => node.port), stop: () => group.stop() };
    },
  },
  { ports: [2181], start: async () => portsOf([await testbed.startZookeeper()]) },
  { ports: [2379], start: async () => portsOf([await testbed.startEtcd()]) },
  { ports: [5432], start: async () => portsOf([await testbed.startPostgres()]) },
];

function portsOf(started: readonly (Stoppable & { port: number })[]): Started {
  return {
    ports: started.map((server) => server.port),
    stop: async () => {
      await Promise.all(started.map((server) => server.stop()));
    },
  };
}

/** Servers behind the addresses of a text; `rewrite` puts the real ports in. */
export interface Servers extends Stoppable {
  rewrite(text: string): string;
}

/** Redis servers that nobody else uses, as many as the text names. */
export function ownRedis(text: string): Promise<Servers> {
  return startNamed([redis], [text]);
}

/** The servers whose usual ports stand in the texts, Redis among them. */
export function serversFor(texts: readonly string[]): Promise<Servers> {
  return startNamed([redis, ...shared], texts);
}

/** The servers that are too slow to be started for each text. */
export function sharedServers(texts: readonly string[]): Promise<Servers> {
  return startNamed(shared, texts);
}

/**
 * Runs `use` when nobody else uses the shared servers that the text names. Documents use the same keys, so two blocks on one
 * server would wait for each other's locks.
 */
export async function alone<T>(text: string, use: () => Promise<T>): Promise<T> {
  const named = shared.filter(({ ports }) => ports.some((port) => address(port).test(text)));
  const before = named.map((kind) => lastUse.get(kind));
  const turn = Promise.all(before).then(use);
  const settled = turn.then(
    () => {},
    () => {},
  );
  for (const kind of named) lastUse.set(kind, settled);
  return turn;
}

const lastUse = new Map<Kind, Promise<void>>();

async function startNamed(kinds: readonly Kind[], texts: readonly string[]): Promise<Servers> {
  const real = new Map<string, number>();
  const started: Started[] = [];
  for (const { ports, start } of kinds) {
    const count = 1 + ports.findLastIndex((port) => texts.some((text) => address(port).test(text)));
    if (count === 0) continue;
    const group = await start(count);
    started.push(group);
    group.ports.forEach((port, index) => {
      real.set(String(ports[index]), port);
    });
  }
  return {
    rewrite: (text) =>
      [...real].reduce((left, [port, actual]) => left.replace(address(Number(port)), `$1${actual}`), text),
    stop: async () => {
      await Promise.all(started.map((group) => group.stop()));
    },
  };
}

/** `127.0.0.1:6379`, or `port: 6379`. */
function address(port: number): RegExp {
  return new RegExp(`(127\\.0\\.0\\.1:|\\bport: )${port}\\b`, 'g');
}

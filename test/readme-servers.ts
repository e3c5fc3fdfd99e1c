import * as testbed from '@holdfast/testbed';

interface Stoppable {
  stop(): Promise<void>;
}

type Started = { ports: readonly number[] } & Stoppable;

/** The addresses that a document may use, and the servers that stand behind them in the test. */
const servers: { ports: readonly number[]; start(): Promise<Started> }[] = [
  {
    ports: [6379, 6380, 6381, 6382, 6383],
    start: async () => portsOf((await testbed.startRedisNodes(5)).nodes),
  },
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

/** Starts the servers whose usual ports stand in the texts; `rewrite` puts the real ones in. */
export async function serversFor(
  texts: readonly string[],
): Promise<{ rewrite(text: string): string; stop(): Promise<void> }> {
  const real = new Map<string, number>();
  const started: Started[] = [];
  for (const { ports, start } of servers) {
    if (!texts.some((text) => ports.some((port) => address(port).test(text)))) continue;
    const group = await start();
    started.push(group);
    ports.forEach((port, index) => {
      real.set(String(port), group.ports[index]!);
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

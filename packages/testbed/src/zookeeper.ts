import { writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { binary } from './binaries.ts';
import { serverFolder } from './folders.ts';
import { firstThat } from './polling.ts';
import { localhost, withFreePorts } from './ports.ts';
import { type ServerProcess, startServer, startTogether, stopAll } from './server-process.ts';

/** A ZooKeeper process. */
export interface ZookeeperServer extends ServerProcess {
  /** Sends a four-letter word (`srvr`, `cons`, `wchs`, …) and answers what the server says. */
  fourLetter(word: string): Promise<string>;
}

export interface ZookeeperOptions {
  /** The shortest session time-out that the server grants; default 1,000 ms, two of its ticks. */
  minSessionTimeoutMs?: number;
  /** Look for empty container nodes to remove every 500 ms; default false: once a minute, as ZooKeeper does. */
  containers?: boolean;
  /** The most memory that Java's heap may take, in MiB; default 64, enough for tests. */
  heapMb?: number;
  /** More lines of zoo.cfg, such as `enforceQuota=true`; they take precedence. */
  config?: readonly string[];
}

/** Several ZooKeeper servers that elect a leader. `await using` stops them all. */
export interface ZookeeperEnsemble extends AsyncDisposable {
  readonly servers: ZookeeperServer[];
  /** `host:port,host:port,…` */
  readonly connectionString: string;
  /** The server that leads now; rejects when none says so within 30 s. */
  leader(): Promise<ZookeeperServer>;
  stop(): Promise<void>;
}

/** Starts one ZooKeeper server (0.3 to 1 s). */
export function startZookeeper(options: ZookeeperOptions = {}): Promise<ZookeeperServer> {
  return withFreePorts(1, async ([port]) => startZookeeperOn({ ...options, port: port! }));
}

/**
 * Starts an ensemble of `count` ZooKeeper servers (default 3), each with these options, and waits until each serves. A server is healthy only with
 * a quorum: after killing most of them, restart them together.
 */
export function startZookeeperEnsemble(count: number = 3, options: ZookeeperOptions = {}): Promise<ZookeeperEnsemble> {
  return withFreePorts(count * 3, async (ports) => {
    const members = Array.from({ length: count }, (_, i) => {
      const [quorumPort, electionPort] = [ports[count + i], ports[2 * count + i]];
      return `server.${i + 1}=${localhost}:${quorumPort}:${electionPort}`;
    });
    const servers = await startTogether(
      ports
        .slice(0, count)
        .map((port, i) => (signal) => startZookeeperOn({ ...options, port, id: i + 1, members }, signal)),
    );
    const stop = (): Promise<void> => stopAll(servers);
    return {
      servers,
      connectionString: servers.map(({ host, port }) => `${host}:${port}`).join(','),
      leader: () =>
        firstThat('no ZooKeeper server leads', servers, async (server) =>
          (await server.fourLetter('srvr')).includes('Mode: leader'),
        ),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  });
}

async function startZookeeperOn(
  options: ZookeeperOptions & { port: number; id?: number; members?: readonly string[] },
  signal?: AbortSignal,
): Promise<ZookeeperServer> {
  const { port, id, members = [], minSessionTimeoutMs = 1000, containers = false, heapMb = 64, config = [] } = options;
  const java = await binary('java');
  const classPath = await binary('zookeeper');
  const folder = serverFolder('zookeeper');
  const data = join(folder, 'data');
  const ask = (word: string, timeoutMs?: number): Promise<string> => askFourLetter(port, word, timeoutMs);
  const server = await startServer(
    {
      name: 'ZooKeeper',
      url: `zookeeper://${localhost}:${port}`,
      port,
      folder,
      env: java.env,
      command: [
        ...[java.path, `-Xmx${heapMb}m`, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
        '-Dzookeeper.extendedTypesEnabled=true',
        '-Dzookeeper.4lw.commands.whitelist=*',
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        ...(containers ? ['-Dznode.container.checkIntervalMs=500'] : []),
        ...['-cp', classPath.path, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', join(folder, 'zoo.cfg')],
      ],
      prepare: async () => {
        if (id !== undefined) await writeFile(join(data, 'myid'), String(id));
        await writeFile(
          join(folder, 'zoo.cfg'),
          [
            ...['tickTime=500', 'initLimit=20', 'syncLimit=10', `dataDir=${data}`],
            ...[`clientPort=${port}`, `clientPortAddress=${localhost}`, 'maxClientCnxns=0'],
            ...['admin.enableServer=false', `minSessionTimeout=${minSessionTimeoutMs}`, 'maxSessionTimeout=60000'],
            ...(members.length > 0 ? ['standaloneEnabled=false', ...members] : []),
            ...config,
            '',
          ].join('\n'),
        );
      },
      // `conf` names the data folder: the answer of another server that took the port first must not count.
      healthy: async (_pid, timeoutMs) =>
        (await ask('srvr', timeoutMs)).includes('Mode: ') && (await ask('conf', timeoutMs)).includes(data),
    },
    signal,
  );
  return Object.assign(server, { fourLetter: (word: string) => ask(word) });
}

function askFourLetter(port: number, word: string, timeoutMs: number = 2000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: localhost, port }, () => socket.write(word));
    let answer = '';
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`ZooKeeper did not answer ${word} within ${timeoutMs} ms`)),
    );
    socket.on('data', (text) => {
      answer += text;
    });
    socket.once('error', reject);
    socket.once('close', () => resolve(answer));
  });
}

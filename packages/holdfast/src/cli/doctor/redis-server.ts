import { hostAndPort } from '../../lock-url.ts';
import type { RedisTarget } from '../../redis-target.ts';
import type { ServerReport } from './diagnosis.ts';
import { clockOffset, inTime, reasonOf, roundTrip } from './measure.ts';
import type { RedisConnection } from './redis-client.ts';

/** What one Redis server says of itself. */
export interface RedisFacts {
  /** The fields of INFO, by name. */
  readonly info: Readonly<Record<string, string>>;
  /** `undefined` where CONFIG is not permitted, as with many providers. */
  readonly save: string | undefined;
  readonly appendfsync: string | undefined;
  /** Of a cluster: every node, from CLUSTER NODES. */
  readonly clusterNodes: readonly { readonly address: string; readonly master: boolean }[];
}

/** A server with its facts, if it answered. */
export interface RedisServer {
  readonly report: ServerReport;
  readonly facts?: RedisFacts;
}

/** Looks at one server; what goes wrong is in the report. */
export async function lookAtRedis(
  connect: (target: RedisTarget) => RedisConnection,
  target: RedisTarget,
  node: { host: string; port: number },
): Promise<RedisServer> {
  const address = hostAndPort(node);
  const connection = connect({ ...target, kind: 'single', nodes: [node] });
  try {
    return await inTime(async (signal) => {
      await connection.whenReady(signal);
      const facts = await readFacts(connection);
      const roundTripMs = await roundTrip(() => connection.call('PING', []));
      const clock = await clockOffset(() => serverTime(connection));
      const report = { address, role: facts.info.role, version: facts.info.redis_version, roundTripMs, ...clock };
      return { report, facts };
    });
  } catch (error) {
    return { report: { address, problem: reasonOf(error) } };
  } finally {
    await connection.close();
  }
}

/** Where the sentinels say that the master is, and how many sentinels watch it. */
export async function askSentinel(
  connect: (target: RedisTarget) => RedisConnection,
  target: RedisTarget,
  node: { host: string; port: number },
): Promise<{ master: { host: string; port: number }; sentinels: number; quorum: number }> {
  // The credentials are those of the master; sentinels have none as a rule.
  const connection = connect({ ...target, kind: 'single', nodes: [node], username: undefined, password: undefined });
  try {
    return await inTime(async (signal) => {
      await connection.whenReady(signal);
      const fields = pairs(await connection.call('SENTINEL', ['MASTER', target.masterName!]));
      return {
        master: { host: fields.ip!, port: Number(fields.port) },
        sentinels: Number(fields['num-other-sentinels']) + 1,
        quorum: Number(fields.quorum),
      };
    });
  } finally {
    await connection.close();
  }
}

async function readFacts(connection: RedisConnection): Promise<RedisFacts> {
  const info = parseInfo(String(await connection.call('INFO', [])));
  const config = await connection.call('CONFIG', ['GET', '*']).then(pairs, () => ({}) as Record<string, string>);
  const listed = info.cluster_enabled === '1' ? String(await connection.call('CLUSTER', ['NODES'])) : '';
  return { info, save: config.save, appendfsync: config.appendfsync, clusterNodes: parseNodes(listed) };
}

async function serverTime(connection: RedisConnection): Promise<number> {
  const [seconds, microseconds] = (await connection.call('TIME', [])) as [string, string];
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
}

function parseInfo(text: string): Record<string, string> {
  const fields = text.split('\r\n').map((line) => line.split(/:(.*)/s));
  return Object.fromEntries(fields.filter(([, value]) => value !== undefined).map(([name, value]) => [name, value]));
}

/** `id ip:port@bus,hostname flags …`, one node a line. */
function parseNodes(text: string): { address: string; master: boolean }[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !/\b(fail|noaddr|handshake)\b/.test(line.split(' ')[2] ?? ''))
    .map((line) => {
      const [, address = '', flags = ''] = line.split(' ');
      return { address: address.replace(/@.*/, ''), master: flags.includes('master') };
    });
}

/** A reply of names and values in turn; the clients of newer protocols give an object. */
function pairs(reply: unknown): Record<string, string> {
  if (!Array.isArray(reply)) return { ...(reply as Record<string, string>) };
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < reply.length; i += 2) fields[String(reply[i])] = String(reply[i + 1]);
  return fields;
}

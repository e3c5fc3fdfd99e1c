import { randomBytes } from 'node:crypto';
import { hostAndPort } from '../../lock-url.ts';
import type { RedisTarget } from '../../redis-target.ts';
import type { Finding, ServerReport } from './diagnosis.ts';
import { clockOffset, inTime, reasonOf, roundTrip } from './measure.ts';
import type { RedisConnection } from './redis-client.ts';
import { type LockNames, permissionFindings } from './redis-permissions.ts';

/** What one Redis server reports about itself. */
export interface RedisFacts {
  /** The fields of INFO, by name. */
  readonly info: Readonly<Record<string, string>>;
  /** `undefined` if CONFIG is not permitted, as with many providers. */
  readonly save: string | undefined;
  readonly appendfsync: string | undefined;
  /** Of a cluster: every node, from CLUSTER NODES. */
  readonly clusterNodes: readonly { readonly address: string; readonly master: boolean }[];
}

/** A server with its facts, if it answered. */
export interface RedisServer {
  readonly report: ServerReport;
  readonly facts?: RedisFacts;
  /** What its user may not do. */
  readonly permissions?: readonly Finding[];
}

/** Checks one server; a failure becomes part of the report. */
export async function inspectRedis(
  connect: (target: RedisTarget) => RedisConnection,
  target: RedisTarget,
  node: { host: string; port: number },
  prefix: string = 'lock:',
): Promise<RedisServer> {
  const address = hostAndPort(node);
  const connection = connect({ ...target, kind: 'single', nodes: [node] });
  try {
    return await inTime(async (signal) => {
      await connection.whenReady(signal);
      const roundTripMs = await roundTrip(() => connection.call('PING', []).catch(unlessForbidden));
      const permissions = await permissionFindings(connection, lockNames(prefix));
      const facts = await readFacts(connection).catch(unlessForbidden);
      const clock = await clockOffset(() => serverTime(connection)).catch(unlessForbidden);
      const { role, redis_version: version } = facts?.info ?? {};
      return { report: { address, role, version, roundTripMs, ...clock }, permissions, ...(facts && { facts }) };
    });
  } catch (error) {
    return { report: { address, problem: reasonOf(error) } };
  } finally {
    await connection.close();
  }
}

/** Names in the adapters' form that no lock has. */
function lockNames(prefix: string): LockNames {
  const lock = `${prefix}holdfast-doctor-${randomBytes(8).toString('hex')}`;
  return { lock, fence: `fence:{${lock}}` };
}

/** A command that the user may not use is a separate finding, and no reason to stop. */
function unlessForbidden(error: Error): undefined {
  if (!/^NOPERM|no permissions/i.test(error.message)) throw error;
}

/** The address of the master according to the sentinels, and how many sentinels watch it. */
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

/** `id ip:port@bus,hostname flags …`, one line per node. */
function parseNodes(text: string): { address: string; master: boolean }[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !/\b(fail|noaddr|handshake)\b/.test(line.split(' ')[2] ?? ''))
    .map((line) => {
      const [, address = '', flags = ''] = line.split(' ');
      return { address: address.replace(/@.*/, ''), master: flags.includes('master') };
    });
}

/** A reply of alternating names and values; with newer protocols, clients return an object. */
function pairs(reply: unknown): Record<string, string> {
  if (!Array.isArray(reply)) return { ...(reply as Record<string, string>) };
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < reply.length; i += 2) fields[String(reply[i])] = String(reply[i + 1]);
  return fields;
}

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { basename, join } from 'node:path';
import { json } from 'node:stream/consumers';
import * as nodeTls from 'node:tls';
import { binary } from './binaries.ts';
import { serverFolder } from './folders.ts';
import { firstThat } from './polling.ts';
import { localhost, withFreePorts } from './ports.ts';
import { type ServerProcess, startServer, startTogether, stopAll } from './server-process.ts';

/** An etcd process. */
export interface EtcdServer extends ServerProcess {
  /** The certificate (PEM) to trust, for `startEtcd({ tls: true })`. */
  readonly certificate: string | undefined;
}

/** Several etcd members that elect a leader. `await using` stops them all. */
export interface EtcdCluster extends AsyncDisposable {
  readonly members: ServerProcess[];
  /** The member that leads now; rejects when none says so within 30 s. */
  leader(): Promise<ServerProcess>;
  stop(): Promise<void>;
}

export interface EtcdOptions {
  /** Clients must use TLS and trust the server's `certificate`; default false. */
  readonly tls?: boolean;
  /** The kind of token that users get, once `enableEtcdUsers` has turned authentication on; default `simple`. */
  readonly authToken?: 'simple' | 'jwt';
  /** How long a simple token that is not used is valid; default 300 s. */
  readonly authTokenTtlSeconds?: number;
  /** More arguments, which win over those of the testbed. */
  readonly args?: readonly string[];
}

/** Starts one etcd member. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  const tls = options.tls ?? false;
  const server = (await startMembers(1, options))[0]!;
  return Object.assign(server, { certificate: tls ? await serverCertificate(server) : undefined });
}

/**
 * Starts a cluster of `count` etcd members (default 3), tuned to notice a dead leader within 0.5 to 1 s, and waits until
 * each serves. A member is healthy only with a quorum: after killing most of them, restart them together.
 */
export async function startEtcdCluster(count: number = 3): Promise<EtcdCluster> {
  const members = await startMembers(count);
  const stop = (): Promise<void> => stopAll(members);
  return {
    members,
    leader: () => firstThat('no etcd member leads', members, leads),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function startMembers(count: number, options: EtcdOptions = {}): Promise<ServerProcess[]> {
  const { tls = false, args = [] } = options;
  return withFreePorts(count * 2, async (ports) => {
    const { path, env } = await binary('etcd');
    const plans = Array.from({ length: count }, (_, i) => {
      const folder = serverFolder('etcd');
      const peerUrl = `http://${localhost}:${ports[count + i]}`;
      return { port: ports[i]!, folder, name: basename(folder), peerUrl };
    });
    const initialCluster = plans.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
    const servers = await startTogether(
      plans.map(({ port, folder, name, peerUrl }) => (signal) => {
        const clientUrl = `${tls ? 'https' : 'http'}://${localhost}:${port}`;
        const command = [
          ...[path, '--name', name, '--data-dir', join(folder, 'data')],
          ...['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl],
          ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
          ...['--initial-cluster', initialCluster, '--initial-cluster-token', plans[0]!.name],
          ...['--heartbeat-interval', '50', '--election-timeout', '500'],
          ...(tls ? ['--auto-tls'] : []),
          ...['--logger', 'zap', '--log-level', 'warn', '--log-outputs', 'stderr'],
          ...authArguments(options, folder),
          ...args,
        ];
        const url = `etcd://${localhost}:${port}`;
        const healthy = async (_pid: number, timeoutMs: number): Promise<boolean> => {
          const { health } = await ask(`${clientUrl}/health`, timeoutMs);
          const { members } = await ask(`${clientUrl}/v3/cluster/member/list`, timeoutMs, '{}');
          // The answer of another server that took the port first must not count.
          return health === 'true' && JSON.stringify(members).includes(name);
        };
        return startServer({ name: 'etcd', url, port, folder, command, env, healthy }, signal);
      }),
    );
    return count === 1 ? servers : servers.map(keepsItsData);
  });
}

function authArguments({ authToken, authTokenTtlSeconds }: EtcdOptions, folder: string): string[] {
  if (authTokenTtlSeconds !== undefined) return ['--auth-token-ttl', String(authTokenTtlSeconds)];
  if (authToken !== 'jwt') return [];
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const files = { public: join(folder, 'public.pem'), private: join(folder, 'private.pem') };
  writeFileSync(files.public, publicKey);
  writeFileSync(files.private, privateKey);
  return ['--auth-token', `jwt,pub-key=${files.public},priv-key=${files.private},sign-method=RS256,ttl=10m`];
}

/** A member of a cluster must not come back without its log: raft trusts it to remember its votes. */
function keepsItsData(member: ServerProcess): ServerProcess {
  const { restart } = member;
  return Object.assign(member, {
    restart: async (options?: { empty?: boolean }): Promise<void> => {
      if (options?.empty) throw new Error('A member of an etcd cluster cannot restart empty: start a new cluster.');
      await restart(options);
    },
  });
}

async function leads(member: ServerProcess): Promise<boolean> {
  const status = await ask(`http://${member.host}:${member.port}/v3/maintenance/status`, 2000, '{}');
  const { member_id } = status.header as { member_id?: string };
  return status.leader !== undefined && status.leader === member_id;
}

async function ask(url: string, timeoutMs: number, body?: string): Promise<Record<string, unknown>> {
  const sent = (url.startsWith('https:') ? https : http).request(url, {
    method: body === undefined ? 'GET' : 'POST',
    agent: false, // a connection of its own: one that is kept would outlive a restart
    rejectUnauthorized: false,
    signal: AbortSignal.timeout(timeoutMs),
  });
  sent.on('error', () => {}); // an abort after the response has begun is heard by its reader
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [http.IncomingMessage];
  return (await json(response)) as Record<string, unknown>;
}

/** The certificate that etcd made for itself (`--auto-tls`). */
async function serverCertificate({ host, port }: ServerProcess): Promise<string> {
  const socket = nodeTls.connect({ host, port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  if (!certificate) throw new Error(`etcd on port ${port} showed no certificate.`);
  return certificate.toString();
}

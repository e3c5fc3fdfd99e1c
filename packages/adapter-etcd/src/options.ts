import { existsSync, readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { checkOptionNames, LockError } from '@holdfast/lock-core';
import { Etcd3, GRPCGenericError, type IOptions } from 'etcd3';
import type { EndpointOptions } from './endpoints.ts';
import { MemberFailure } from './errors.ts';
import { createDiagnosis } from './server-kind.ts';
import { trackHandshakes } from './tls-handshakes.ts';

/** Options of `etcdAdapter`. Either `hosts` or `client` says where etcd is. */
export interface EtcdLockOptions {
  /**
   * The members of the cluster, each as `host:port`; default `127.0.0.1:2379`. The adapter uses one member until it stops answering,
   * and then the next.
   */
  readonly hosts?: string | readonly string[] | undefined;
  /** Your own client instead of `hosts`; it is never closed. Turn off its fault handling, which retries and withholds calls. */
  readonly client?: Etcd3 | undefined;
  /**
   * The beginning of the key of every lock, default `locks/`. Applications that share a cluster need different prefixes. No prefix may
   * begin with another one.
   */
  readonly prefix?: string | undefined;
  /** The user for etcd's own authentication; requires `password`. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /**
   * Whether to connect with TLS, default false. With true, it trusts the certificate authorities that Node trusts, including those of
   * `NODE_EXTRA_CA_CERTS`. Pass an object for another authority, or for a certificate of the client.
   */
  readonly tls?: boolean | EtcdTls | undefined;
  /**
   * How long one call may take, in ms; from 1 to 5,000, default 2,000. A shorter time detects a dead member sooner; a longer time
   * tolerates a slower network. Keep it below half of the shortest TTL, so that there is time to ask another member.
   */
  readonly callTimeoutMs?: number | undefined;
}

/** Certificates and keys for TLS, in PEM. */
export interface EtcdTls {
  /** The certificate authorities to trust; default those that Node trusts. */
  readonly ca?: string | Buffer | undefined;
  /** The certificate of the client; requires `key`. */
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
}

/** The options with their defaults. */
export interface EtcdLockSettings {
  readonly prefix: string;
  readonly callTimeoutMs: number;
  /** One client for each member, or the caller's. */
  readonly clients: readonly Etcd3[];
  readonly owned: boolean;
  readonly endpointOptions: EndpointOptions;
}

const names = ['hosts', 'client', 'prefix', 'username', 'password', 'tls', 'callTimeoutMs'];

/** Checks the options, fills in the defaults, and makes the clients; connecting goes on in the background. */
export function etcdLockSettings(options: EtcdLockOptions): EtcdLockSettings {
  checkOptionNames(options, names);
  const { client, prefix = 'locks/', callTimeoutMs = 2_000 } = options;
  if (typeof prefix !== 'string' || prefix === '') throw refused('prefix must be a non-empty string');
  if (!Number.isSafeInteger(callTimeoutMs) || callTimeoutMs < 1 || callTimeoutMs > 5_000) {
    throw refused(`callTimeoutMs must be a whole number of ms from 1 to 5,000, got ${String(callTimeoutMs)}`);
  }
  const common = { prefix, callTimeoutMs };
  if (client === undefined) return { ...common, ...connect(options), owned: true };
  for (const name of ['hosts', 'username', 'password', 'tls'] as const) {
    if (options[name] !== undefined) throw refused(`${name} cannot be combined with client, which has its own`);
  }
  assertClient(client);
  return { ...common, clients: [client], owned: false, endpointOptions: {} };
}

function assertClient(client: Etcd3): void {
  const { kv, leaseClient, watchClient } = (client ?? {}) as Partial<Etcd3>;
  const known = [kv?.txn, kv?.range, leaseClient?.leaseGrant, watchClient?.watch];
  if (known.some((method) => typeof method !== 'function')) {
    throw refused('client must be an Etcd3 of the etcd3 package, such as new Etcd3({ hosts })');
  }
}

function connect(options: EtcdLockOptions): Pick<EtcdLockSettings, 'clients' | 'endpointOptions'> {
  const { hosts = '127.0.0.1:2379', username, password, tls = false } = options;
  const list: readonly string[] = Array.isArray(hosts) ? hosts : [hosts];
  if (list.length === 0 || list.some((host) => typeof host !== 'string' || host === '')) {
    throw refused('hosts must name at least one host:port');
  }
  for (const [name, value] of Object.entries({ username, password })) {
    if (value !== undefined && (typeof value !== 'string' || value === ''))
      throw refused(`${name} must be a text that is not empty`);
  }
  if ((username === undefined) !== (password === undefined)) throw refused('username and password need each other');
  const secure = tls !== false || list.some((host) => host.startsWith('https://'));
  const shared: Omit<IOptions, 'hosts'> = {
    credentials: secure ? credentials(tls === false || tls === true ? {} : tls) : undefined,
    grpcOptions,
    faultHandling: { host: () => keepConnection, global: noPolicy },
  };
  const members = list.map((host) => host.replace(/^https?:\/\//, ''));
  const clients = members.map((hosts) => new Etcd3({ ...shared, hosts }));
  const diagnoses = new Map(clients.map((client, i) => [client, createDiagnosis(members[i]!, secure)]));
  const diagnose = async (client: Etcd3, error: unknown): Promise<LockError | undefined> =>
    diagnoses.get(client)?.(error);
  const authentication = username === undefined || password === undefined ? undefined : { username, password };
  const endHandshakes = secure ? clients.map(trackHandshakes) : [];
  const onClosed = (): void => endHandshakes.forEach((end) => void end());
  return { clients, endpointOptions: { credentials: authentication, diagnose, onClosed } };
}

/** Finds a dead connection by pings (etcd allows one in 5 s), and replaces a lost one at once. */
const grpcOptions: IOptions['grpcOptions'] = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // The list of a lease's keys grows with the locks that are held.
  'grpc.max_receive_message_length': -1,
};

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

const never = new AbortController().signal;
const unheard = (): { dispose(): void } => ({ dispose() {} });

/** Neither the library's retries, which hide that a request was sent twice, nor its circuit breaker, which withholds calls. */
const noPolicy: Policy = {
  _altReturn: undefined as never,
  onSuccess: unheard,
  onFailure: unheard,
  execute: async (run, signal = never) => run({ signal }),
};

/**
 * After a failed call, etcd3 would close the connections of the member, which other calls use too. gRPC replaces a broken connection by
 * itself, so the failure is passed on under a name that etcd3 does not know.
 */
const keepConnection: Policy = {
  ...noPolicy,
  async execute(run, signal = never) {
    try {
      return await run({ signal });
    } catch (error) {
      throw error instanceof GRPCGenericError ? new MemberFailure(error) : error;
    }
  },
};

function credentials({ ca, cert, key }: EtcdTls): IOptions['credentials'] {
  if ((cert === undefined) !== (key === undefined)) throw refused('tls.cert and tls.key need each other');
  return {
    rootCertificate: Buffer.from(ca ?? trustedByNode()),
    privateKey: key === undefined ? undefined : Buffer.from(key),
    certChain: cert === undefined ? undefined : Buffer.from(cert),
  };
}

/** The authorities of Node itself and of `NODE_EXTRA_CA_CERTS`, which gRPC does not use. */
function trustedByNode(): string {
  const { NODE_EXTRA_CA_CERTS: extra = '' } = process.env;
  return [...rootCertificates, ...(existsSync(extra) ? [readFileSync(extra, 'utf8')] : [])].join('\n');
}

function refused(rule: string): LockError {
  return new LockError('LOCK_INVALID_ARGUMENT', `etcd: ${rule}.`);
}

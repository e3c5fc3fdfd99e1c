import { isIPv6 } from 'node:net';
import { LockError } from '@holdfast/lock-core';
import { type AclEntry, type ClientFactory, createClient } from './client.ts';

/** Options of `zookeeperAdapter`. */
export interface ZookeeperOptions {
  /** The ensemble as `host:port,host:port`, optionally with a chroot: `host:port,host:port/app`. The default port is 2181. */
  readonly servers: string;
  /** The path under which all nodes are kept; it is created if it does not exist. Default: the one in `servers`, otherwise none. */
  readonly chroot?: string | undefined;
  /** The path of the locks under the chroot; default `/locks`. Programs exclude each other only if they use the same path. */
  readonly prefix?: string | undefined;
  /**
   * The session time-out to request from the server, in ms; default 30,000. It is how long the locks of a crashed process stay busy. A
   * shorter time frees them sooner; a longer time survives longer stalls of the process, the network or the ensemble. The server limits
   * it (by default to 2 to 20 ticks of 2 s).
   */
  readonly sessionTimeoutMs?: number | undefined;
  /** The identity of the client, e.g. `{ scheme: 'digest', credentials: 'user:password' }`. Default none. */
  readonly auth?: { readonly scheme: string; readonly credentials: string } | undefined;
  /**
   * Who may use the nodes that the adapter creates: everybody (`open`), clients with the same `auth` (`creator`), or those in a list.
   * Default: `creator` if there is an `auth`, otherwise `open`.
   */
  readonly acl?: 'open' | 'creator' | readonly AclEntry[] | undefined;
  /** Creates the library's clients, one for each TCP connection, such as to observe or wrap them. Default: its `createClient`. */
  readonly clientFactory?: ClientFactory | undefined;
}

/** The checked options, with their defaults. */
export interface Settings {
  readonly servers: readonly string[];
  /** Chroot and prefix: the parent of all locks. */
  readonly root: string;
  readonly sessionTimeoutMs: number;
  readonly auth: { readonly scheme: string; readonly credentials: Buffer } | undefined;
  readonly acl: readonly AclEntry[];
  readonly clientFactory: ClientFactory;
}

const known = ['servers', 'chroot', 'prefix', 'sessionTimeoutMs', 'auth', 'acl', 'clientFactory'];
const everything = 31;

function refuse(message: string): never {
  throw new LockError('LOCK_INVALID_ARGUMENT', message);
}

const impossible: Readonly<Record<string, string>> = {
  tls: 'TLS',
  ssl: 'TLS',
  secure: 'TLS',
  sasl: 'SASL',
  kerberos: 'SASL',
};

function refuseUnknown(name: string): never {
  const feature = impossible[name.toLowerCase()];
  if (feature !== undefined)
    refuse(`there is no option ${JSON.stringify(name)}: node-zookeeper-client cannot do ${feature}`);
  const near = known.find((option) => isNear(name.toLowerCase(), option.toLowerCase()));
  const hint = near === undefined ? '' : ` did you mean ${JSON.stringify(near)}?`;
  refuse(`there is no option ${JSON.stringify(name)}:${hint} The options are ${known.join(', ')}`);
}

/** Whether two names differ in few letters, or one begins with the other. */
function isNear(a: string, b: string): boolean {
  if (a.length > 2 && (a.startsWith(b) || b.startsWith(a))) return true;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      const replaced = (row[j] as number) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return (row[b.length] as number) <= Math.max(2, Math.floor(b.length / 4));
}

/** Checks the options before anything is sent. @throws LockError LOCK_INVALID_ARGUMENT */
export function resolveSettings(options: ZookeeperOptions): Settings {
  if (typeof options !== 'object' || options === null)
    refuse(`the options of zookeeperAdapter are an object such as { servers: 'host:2181' }, not ${String(options)}`);
  if ('connectionManager' in options)
    refuse(
      'zookeeperAdapter is given options, not a client: it makes its own clients, and `clientFactory` may wrap them',
    );
  for (const name in options) if (!known.includes(name)) refuseUnknown(name);
  const { servers, sessionTimeoutMs = 30_000, auth, clientFactory = createClient, prefix = '/locks' } = options;
  if (typeof servers !== 'string') refuse('servers is a string of the form "host:port,host:port"');
  const slash = servers.indexOf('/');
  const hosts = slash < 0 ? servers : servers.slice(0, slash);
  const chroot = options.chroot ?? (slash < 0 ? '' : servers.slice(slash));
  const integer = Number.isSafeInteger(sessionTimeoutMs);
  if (!integer || sessionTimeoutMs < 100 || sessionTimeoutMs > 2 ** 31 - 1) {
    refuse(`sessionTimeoutMs is a whole number of milliseconds from 100, not ${String(sessionTimeoutMs)}`);
  }
  if (auth !== undefined && (typeof auth?.scheme !== 'string' || auth.scheme === '')) {
    refuse('auth is { scheme, credentials }, and the scheme a word such as "digest"');
  }
  if (auth?.scheme === 'sasl') refuse('auth cannot be of the scheme sasl: node-zookeeper-client cannot do SASL');
  if (auth !== undefined && typeof auth.credentials !== 'string') {
    refuse('auth is { scheme, credentials }, and the credentials a string');
  }
  if (typeof clientFactory !== 'function') refuse('clientFactory is a function');
  const below = checkPath('prefix', prefix);
  if (below === '') refuse('prefix is the path of at least one node, such as /locks');
  return {
    servers: hosts.split(',').map(checkServer),
    root: checkPath('chroot', chroot) + below,
    sessionTimeoutMs,
    auth: auth && { scheme: auth.scheme, credentials: Buffer.from(auth.credentials) },
    acl: aclOf(options.acl ?? (auth === undefined ? 'open' : 'creator')),
    clientFactory,
  };
}

/** The library would throw on a bad port where nobody can catch it. */
function checkServer(text: string): string {
  if (isIPv6(text.trim().replace(/^\[(.*)\](:\d+)?$/, '$1'))) {
    refuse(
      `${JSON.stringify(text)} is an IPv6 address, which node-zookeeper-client cannot connect to: use a host name or IPv4`,
    );
  }
  const [, host, port = '2181'] = /^([^:/\s]+)(?::(\d{1,5}))?$/.exec(text.trim()) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    refuse(`${JSON.stringify(text)} is not a server: write servers as host:port, separated by commas`);
  }
  return `${host}:${port}`;
}

function checkPath(name: string, path: unknown): string {
  if (path === '' || path === '/') return '';
  const elements =
    typeof path === 'string' && path.startsWith('/') ? path.replace(/\/$/, '').split('/').slice(1) : [''];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the server refuses.
  const bad = /^\.{0,2}$|[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/;
  if (elements.some((element) => bad.test(element)))
    refuse(`${name} is a path such as /app, not ${JSON.stringify(path)}`);
  return `/${elements.join('/')}`;
}

function aclOf(acl: NonNullable<ZookeeperOptions['acl']>): readonly AclEntry[] {
  if (acl === 'open') return [{ permissions: everything, scheme: 'world', id: 'anyone' }];
  if (acl === 'creator') return [{ permissions: everything, scheme: 'auth', id: '' }];
  const fits = (entry: AclEntry): boolean =>
    Number.isInteger(entry?.permissions) &&
    entry.permissions >= 1 &&
    entry.permissions <= everything &&
    typeof entry.scheme === 'string' &&
    entry.scheme !== '' &&
    typeof entry.id === 'string';
  if (!Array.isArray(acl) || acl.length === 0 || !acl.every(fits)) {
    refuse('acl is "open", "creator", or a list of { permissions: 1 to 31, scheme, id }');
  }
  return acl;
}

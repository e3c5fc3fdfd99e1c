import type { LockAdapter, LocksOptions } from '@holdfast/lock-core';
import { invalid, nearest } from './invalid.ts';
import {
  type Address,
  hostAndPort,
  type LockUrl,
  parseLockUrl,
  parseQueryOf,
  schemeOf,
  withPorts,
} from './lock-url.ts';
import { checkNames, locksOptionTable, objectNames, readParams } from './options.ts';
import { assertAdapter, openModule } from './packages.ts';
import { schemes, shownSchemes } from './schemes.ts';
import { secretForms } from './secrets.ts';

/** Which backend, and how: a URL such as `redis://127.0.0.1:6379?ttl=10s`, or an object. */
export type LocksConfig = string | AdapterConfig;

/** The form of a configuration file. Everything beside `adapter` is an option by its name in code: `ttlMs`, `prefix`, … */
export interface AdapterConfig {
  /**
   * A lock URL; or the package (or the path from the working directory) of a third party's adapter, whose export
   * `createAdapter(options)` is called with the options that are not `LocksOptions`.
   */
  readonly adapter: string;
  /** For URLs, so that a secret need not stand in one. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly [option: string]: unknown;
}

/** Makes an adapter for a URL of an own scheme. The adapter must close what it opens. */
export type SchemeHandler = (url: string) => LockAdapter | Promise<LockAdapter>;

/** A configuration that was read and found in order; nothing is opened yet. */
export interface Plan {
  readonly locksOptions: LocksOptions;
  /** Where the backend is, for messages, without credentials. */
  readonly address: string;
  readonly secrets: readonly string[];
  /** The servers whose connections may be TLS, and whether they are to be; none where there is no TLS, or it is not known. */
  readonly tls: { readonly servers: readonly Address[]; readonly wanted: boolean };
  open(): Promise<LockAdapter>;
}

const noTls: Plan['tls'] = { servers: [], wanted: false };
const locksOptionNames = objectNames(locksOptionTable);

/** Reads a configuration. @throws LockError LOCK_INVALID_ARGUMENT for whatever is wrong in it, without quoting a secret. */
export function readConfig(config: LocksConfig, handlers: Readonly<Record<string, SchemeHandler>>): Plan {
  if (typeof config === 'string') return readUrl(config, {}, handlers);
  const { adapter, ...options } = config ?? {};
  if (typeof adapter !== 'string' || adapter === '') {
    throw invalid('A lock configuration is a URL, or an object whose "adapter" is a URL or the name of a package.');
  }
  const scheme = schemeOf(adapter);
  if (scheme !== undefined && scheme !== 'file') return readUrl(adapter, options, handlers);

  const rest = without(options, locksOptionNames);
  const secrets = secretForms(typeof options.password === 'string' ? options.password : undefined);
  return {
    locksOptions: only(options, locksOptionNames),
    address: adapter,
    secrets,
    tls: noTls,
    open: () => openModule(adapter, rest),
  };
}

function readUrl(text: string, more: Record<string, unknown>, handlers: Readonly<Record<string, SchemeHandler>>): Plan {
  const name = schemeOf(text.trim());
  const handler = name !== undefined && Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (handler !== undefined) return readForeignUrl(text.trim(), name!, handler, more);
  const scheme = name !== undefined && Object.hasOwn(schemes, name) ? schemes[name] : undefined;
  if (scheme === undefined) throw unknownScheme(text.trim(), name, Object.keys(handlers));

  const { username, password, ...options } = more as { username?: string; password?: string };
  const url = parseLockUrl(text.trim());
  const table = { ...locksOptionTable, ...scheme.options };
  checkNames(options, [...objectNames(table), 'username', 'password'], `The ${name}: configuration`);
  const all: Record<string, unknown> = { ...readParams(url.params, table, url.scheme), ...options };
  const credentials: LockUrl = { ...url, username: username ?? url.username, password: password ?? url.password };
  return {
    locksOptions: only(all, locksOptionNames),
    address: `${url.scheme}:${url.hosts.length === 0 ? '' : '//'}${url.hosts.map(hostAndPort).join(',')}`,
    secrets: [...secretForms(url.password), ...secretForms(password)],
    tls: tlsOf(url, all.tls === true),
    open: () => scheme.open(credentials, without(all, locksOptionNames)),
  };
}

/** ZooKeeper has no TLS here, and sentinels tell of other servers than themselves. */
function tlsOf(url: LockUrl, option: boolean): Plan['tls'] {
  if (url.scheme === 'zookeeper' || url.scheme.includes('+sentinel')) return noTls;
  const servers = withPorts(url, url.scheme === 'etcd' ? 2_379 : 6_379);
  return { servers, wanted: option || url.scheme.startsWith('rediss') };
}

/** A third party reads its URL itself; the options of every lock are taken from the query, whatever else is in it. */
function readForeignUrl(text: string, name: string, handler: SchemeHandler, more: Record<string, unknown>): Plan {
  const ours = [...parseQueryOf(text)].filter(([param]) => Object.hasOwn(locksOptionTable, param));
  const options = { ...readParams(new Map(ours), locksOptionTable, name), ...more };
  checkNames(more, locksOptionNames, `The ${name}: configuration`);
  return {
    locksOptions: only(options, locksOptionNames),
    address: `${name}:`,
    secrets: secretForms(/:\/\/[^:@/]*:(.*)@/.exec(text)?.[1]),
    tls: noTls,
    open: async () => assertAdapter(await handler(text), `The handler of the scheme ${name}:`),
  };
}

function unknownScheme(text: string, name: string | undefined, own: readonly string[]): Error {
  const shown = [...own.map((scheme) => `${scheme}:`), ...shownSchemes];
  const known = `Known: ${shown.join(', ')}.`;
  const names = [...own, ...Object.keys(schemes)];
  // Without a scheme, nothing of the text is shown: its beginning may be anything, a password too.
  const written = name ?? /^[a-z+]+/i.exec(text)?.[0] ?? '';
  const near = nearest(written, names);
  const hint = near === undefined ? '' : `Did you mean ${near}:${near === 'memory' ? '' : '//'}? `;
  if (name === undefined) {
    return invalid(`A lock URL begins with a scheme and a colon, such as redis://127.0.0.1:6379. ${hint}${known}`);
  }
  const quoted = near !== undefined || text.startsWith(`${name}://`) ? ` "${name}:"` : '';
  return invalid(`The lock URL has an unknown scheme${quoted}. ${hint}${known}`);
}

function only(options: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}

function without(options: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
}

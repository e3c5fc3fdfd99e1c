import type { LockAdapter, LocksOptions } from '@holdfast/lock-core';
import { adapterPackages } from './adapter-packages.ts';
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
import { type AdapterFactory, assertAdapter, openModule } from './packages.ts';
import { schemes, shownSchemes } from './schemes.ts';
import { passwordIn, secretForms } from './secrets.ts';

/** The backend and its options: a URL such as `redis://127.0.0.1:6379?ttl=10s`, or an object. */
export type LocksConfig = string | AdapterConfig;

/** A configuration object. All fields except `adapter` are options, under their names in code: `ttlMs`, `prefix`, … */
export interface AdapterConfig {
  /**
   * A lock URL, or the adapter of a third party: the name of its package, or its path relative to the working directory. It must
   * export `createAdapter(options)`, which is called with all options that are not `LocksOptions`.
   */
  readonly adapter: string;
  /** The user for a URL that names none. */
  readonly username?: string | undefined;
  /** The password for a URL that contains none, so that no secret has to be part of the URL. */
  readonly password?: string | undefined;
  readonly [option: string]: unknown;
}

/** Creates an adapter for a URL of the application's own scheme. The adapter must close what it opens. */
export type SchemeHandler = (url: string) => LockAdapter | Promise<LockAdapter>;

/** A valid configuration. Nothing is opened yet. */
export interface Plan {
  readonly locksOptions: LocksOptions;
  /** Where the backend is, for messages, without credentials. */
  readonly address: string;
  readonly secrets: readonly string[];
  /** The servers whose connections may use TLS, and whether they should; empty if TLS is impossible or unknown. */
  readonly tls: { readonly servers: readonly Address[]; readonly wanted: boolean };
  /** The URL with its credentials, for asking its servers directly; `undefined` for an adapter of a third party. */
  readonly url: LockUrl | undefined;
  open(): Promise<LockAdapter>;
}

const noTls: Plan['tls'] = { servers: [], wanted: false };
const locksOptionNames = objectNames(locksOptionTable);

/** Where a configuration may find adapters beside the built-in schemes. */
export interface AdapterSources {
  readonly schemes?: Readonly<Record<string, SchemeHandler>> | undefined;
  readonly adapters?: readonly AdapterFactory[] | undefined;
}

/** Reads a configuration. @throws LockError LOCK_INVALID_ARGUMENT for any mistake in it, without quoting a secret. */
export function readConfig(config: LocksConfig, sources: AdapterSources = {}): Plan {
  if (typeof config === 'string') return readUrl(config, {}, sources);
  assertConfigObject(config);
  const { adapter, ...options } = withInherited(config);
  const scheme = schemeOf(adapter);
  if (scheme !== undefined && scheme !== 'file') return readUrl(adapter, options, sources);
  const example = exampleFor(adapter);
  if (example !== undefined)
    throw invalid(
      `"adapter" is a URL, or the name of a third party's package, not ${JSON.stringify(adapter)}. For this backend write a URL, such as ${example}.`,
    );
  for (const name of codeOptions) {
    if (Object.hasOwn(options, name)) throw invalid(`"${name}" is not part of the configuration. ${inCode(name)}`);
  }

  const rest = without(options, locksOptionNames);
  const secrets = secretForms(typeof options.password === 'string' ? options.password : undefined);
  return {
    locksOptions: only(options, locksOptionNames),
    address: adapter,
    secrets,
    tls: noTls,
    url: undefined,
    open: () => openModule(adapter, rest),
  };
}

/** An example URL if `name` is a backend, its client or our package for it, none of which is a third party's adapter. */
function exampleFor(name: string): string | undefined {
  const short = name.replace(/^@holdfast\/adapter-/, '');
  const bound = Object.values(adapterPackages).find(({ needs }) => needs.includes(short))?.adapter ?? short;
  return (schemes[short] ?? schemes[bound] ?? schemes[`redis+${bound}`])?.example;
}

/** A copy with own properties: the rest of a destructured object would silently lack inherited ones. */
function withInherited(config: AdapterConfig): AdapterConfig {
  const all: Record<string, unknown> = {};
  for (const name in config) all[name] = config[name];
  return { ...all, adapter: config.adapter };
}

function assertConfigObject(config: unknown): asserts config is AdapterConfig {
  const form = 'A lock configuration is a URL, or an object whose "adapter" is a URL or the name of a package';
  if (config === undefined || config === null)
    throw invalid(`${form}, not ${config}. Is an environment variable unset?`);
  if (config instanceof URL) throw invalid(`${form}, not a URL object: pass its href.`);
  const { adapter, tryAcquire } = config as { adapter?: unknown; tryAcquire?: unknown };
  if (typeof tryAcquire === 'function')
    throw invalid(`${form}. For an adapter that is open, use createLocks(adapter).`);
  if (typeof config !== 'object') throw invalid(`${form}, not a ${typeof config}.`);
  if (adapter === undefined)
    throw invalid(
      `${form}, and this object has no "adapter". For options of a client, open it yourself: createLocks(ioredisAdapter(client)).`,
    );
  if (typeof adapter !== 'string' || adapter === '') throw invalid(`${form}.`);
}

/** Options of `openLocks` that hold code, or that the application decides and not its configuration. */
const codeOptions: readonly string[] = ['require', 'schemes', 'adapters', 'lazy', 'clock'];

const inCode = (name: string): string => `Pass it in code: openLocks(config, { ${name}: … }).`;

function readUrl(
  text: string,
  more: Record<string, unknown>,
  { schemes: handlers = {}, adapters = [] }: AdapterSources,
): Plan {
  const name = schemeOf(text.trim());
  const handler = name !== undefined && Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (handler !== undefined) return readForeignUrl(text.trim(), name!, handler, more);
  const scheme = name !== undefined && Object.hasOwn(schemes, name) ? schemes[name] : undefined;
  if (scheme === undefined) throw unknownScheme(text.trim(), name, Object.keys(handlers));

  const { username, password, ...options } = more as { username?: string; password?: string };
  const url = parseLockUrl(text.trim());
  const table = { ...locksOptionTable, ...scheme.options };
  const misplaced = codeOptions.find((option) => Object.hasOwn(options, option) || url.params.has(option));
  if (misplaced !== undefined) throw invalid(`The ${name}: URL has no option "${misplaced}". ${inCode(misplaced)}`);
  checkNames(options, [...objectNames(table), 'username', 'password'], `The ${name}: configuration`);
  const all: Record<string, unknown> = { ...readParams(url.params, table, url.scheme), ...options };
  const credentials: LockUrl = { ...url, username: username ?? url.username, password: password ?? url.password };
  return {
    locksOptions: only(all, locksOptionNames),
    address: `${url.scheme}:${url.hosts.length === 0 ? '' : '//'}${url.hosts.map(hostAndPort).join(',')}`,
    secrets: [...secretForms(url.password), ...secretForms(passwordIn(text)), ...secretForms(password)],
    tls: tlsOf(url, all.tls === true),
    url: credentials,
    open: () => scheme.open(credentials, without(all, locksOptionNames), adapters),
  };
}

/** ZooKeeper has no TLS here, and PostgreSQL agrees on it in its own way. */
function tlsOf(url: LockUrl, option: boolean): Plan['tls'] {
  if (/^(zookeeper|postgres)/.test(url.scheme)) return noTls;
  const servers = withPorts(url, url.scheme === 'etcd' ? 2_379 : url.scheme.includes('+sentinel') ? 26_379 : 6_379);
  return { servers, wanted: option || url.scheme.startsWith('rediss') };
}

/** A third party reads its URL itself. Only the options of every lock are taken from the query. */
function readForeignUrl(text: string, name: string, handler: SchemeHandler, more: Record<string, unknown>): Plan {
  const ours = [...parseQueryOf(text)].filter(([param]) => Object.hasOwn(locksOptionTable, param));
  const options = { ...readParams(new Map(ours), locksOptionTable, name), ...more };
  checkNames(more, locksOptionNames, `The ${name}: configuration`);
  return {
    locksOptions: only(options, locksOptionNames),
    address: `${name}:`,
    secrets: secretForms(passwordIn(text)),
    tls: noTls,
    url: undefined,
    open: async () => assertAdapter(await handler(text), `The handler of the scheme ${name}:`),
  };
}

function unknownScheme(text: string, name: string | undefined, own: readonly string[]): Error {
  const shown = [...own.map((scheme) => `${scheme}:`), ...shownSchemes];
  const known = `Known: ${shown.join(', ')}.`;
  const names = [...own, ...Object.keys(schemes)];
  // Without a scheme, no part of the text is shown: it may begin with a password.
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

import { invalid } from './invalid.ts';

/** A lock URL in parts. Node's `URL` takes one host only, and its errors quote the whole text, password included. */
export interface LockUrl {
  readonly scheme: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly hosts: readonly Host[];
  /** Decoded, without the leading slash; empty if there is none. */
  readonly path: string;
  readonly params: ReadonlyMap<string, string>;
}

export interface Host {
  readonly host: string;
  readonly port: number | undefined;
}

/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const hostForm = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i;

/** The scheme before the first colon, in lower case; `undefined` if the text does not begin with one. */
export function schemeOf(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
}

/**
 * Splits a URL `scheme://user:password@host:port,host:port/path?name=value`.
 *
 * An error shows the scheme only: with a reserved character left unencoded, any other part may hold a piece of the password.
 */
export function parseLockUrl(text: string): LockUrl {
  const scheme = schemeOf(text);
  if (scheme === undefined)
    throw invalid('A lock URL begins with a scheme and a colon, such as redis://127.0.0.1:6379.');
  const wrong = (what: string) => invalid(`The lock URL ${scheme}:… is not valid: ${what}`);

  const [beforeQuery, query] = splitAt(text.slice(scheme.length + 1), '?');
  if (text.includes('#') || (query ?? '').includes('@')) throw wrong(encodeHint);
  if (beforeQuery !== '' && !beforeQuery.startsWith('//'))
    throw wrong(`after "${scheme}:" two slashes and a host must follow.`);

  const [authority, path] = splitAt(beforeQuery.slice(2), '/');
  if ((path ?? '').includes('@')) throw wrong(encodeHint);
  const at = authority.lastIndexOf('@');
  const [username, password] = at < 0 ? ['', undefined] : splitAt(authority.slice(0, at), ':');
  const hostList = authority.slice(at + 1);
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw wrong('a percent sign must be followed by two hexadecimal digits; write a plain one as %25.');
    }
  };

  const hosts = hostList === '' ? [] : hostList.split(',').map((entry) => parseHost(entry, wrong));
  return {
    scheme,
    username: username === '' ? undefined : decode(username),
    password: password === undefined || password === '' ? undefined : decode(password),
    hosts,
    path: decode(path ?? ''),
    params: parseQuery(query ?? '', decode, wrong),
  };
}

/** Only the query of a URL, for schemes whose other parts a third party reads. */
export function parseQueryOf(text: string): ReadonlyMap<string, string> {
  const query = splitAt(text, '?')[1] ?? '';
  return new Map(new URLSearchParams(query));
}

/** Host and port as one text, IPv6 in brackets. */
export function hostAndPort({ host, port }: Host): string {
  return `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`;
}

/** The hosts, with the default port of the protocol where none is written. */
export function withPorts(url: LockUrl, defaultPort: number): Address[] {
  return url.hosts.map(({ host, port }) => ({ host, port: port ?? defaultPort }));
}

const encodeHint =
  'a "#", or an "@" after the hosts, is in a place where none may be. If the password contains one of / ? # @ : %, write it percent-encoded (%2F %3F %23 %40 %3A %25).';

function parseHost(entry: string, wrong: (what: string) => Error): Host {
  const [, host, port] = hostForm.exec(entry) ?? [];
  const number = port === undefined ? undefined : Number(port);
  if (host === undefined || number === 0 || (number ?? 0) > 65_535) {
    throw wrong(
      'hosts are written host or host:port, separated by commas, with a port from 1 to 65535. If the password contains one of / ? # @ : %, write it percent-encoded (%2F %3F %23 %40 %3A %25).',
    );
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
}

function parseQuery(
  query: string,
  decode: (part: string) => string,
  wrong: (what: string) => Error,
): Map<string, string> {
  const params = new Map<string, string>();
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const [name, value] = splitAt(pair, '=').map((part) => decode(part ?? '')) as [string, string];
    if (params.has(name)) throw wrong('it contains an option twice.');
    params.set(name, value);
  }
  return params;
}

function splitAt(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

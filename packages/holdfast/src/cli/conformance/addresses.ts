import { type Address, parseLockUrl, withPorts } from '../../lock-url.ts';

export type { Address } from '../../lock-url.ts';

const defaultPorts: Readonly<Record<string, number>> = {
  ...{ zookeeper: 2_181, etcd: 2_379, postgres: 5_432, postgresql: 5_432 },
};

/** The servers that a lock URL names. */
export function addressesOf(url: string): Address[] {
  const parts = parseLockUrl(url);
  const redisPort = parts.scheme.includes('+sentinel') ? 26_379 : 6_379;
  return withPorts(parts, defaultPorts[parts.scheme] ?? redisPort);
}

/** Why no proxy can be put in front of the servers of a lock URL; `undefined` if one can. */
export function whyNoProxy(url: string): string | undefined {
  const { scheme, hosts, params } = parseLockUrl(url);
  if (hosts.length === 0) return 'there is no server';
  if (/\+(cluster|sentinel)/.test(scheme))
    return 'the servers announce their own addresses, so clients pass a proxy by';
  if (
    scheme.startsWith('rediss') ||
    params.get('tls') === 'true' ||
    /^(require|verify)/.test(params.get('sslmode') ?? '')
  )
    return 'a proxy cannot stand in for a server with TLS';
  return undefined;
}

/** The lock URL with other servers in their place; everything else stays. */
export function withHosts(url: string, servers: readonly Address[]): string {
  const [, begin, end] = /^([^:]+:\/\/(?:[^/?]*@)?)[^/?]*(.*)$/s.exec(url)!;
  return `${begin}${servers.map(({ host, port }) => `${host}:${port}`).join(',')}${end}`;
}

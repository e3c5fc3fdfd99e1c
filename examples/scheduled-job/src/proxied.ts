import { type FaultProxy, faultProxy } from '@holdfast/testbed';

const defaultPorts: Readonly<Record<string, number>> = { zookeeper: 2_181, etcd: 2_379 };

/** A lock URL whose servers are reached through proxies that can be told to swallow everything: a silent partition. */
export interface ProxiedUrl {
  readonly url: string;
  cutOff(): void;
  close(): Promise<void>;
}

export async function throughProxies(url: string): Promise<ProxiedUrl> {
  const [, scheme, login = '', hosts, rest] = /^([^:]+):\/\/([^/?]*@)?([^/?]+)(.*)$/s.exec(url) ?? [];
  if (scheme === undefined || hosts === undefined || /^rediss|[+](cluster|sentinel)/.test(scheme)) {
    throw new Error(
      'This example cuts a process off by a proxy before each server, which TLS, Cluster and Sentinel do not allow: give it another URL.',
    );
  }
  const proxies: FaultProxy[] = await Promise.all(
    hosts.split(',').map((host) => {
      const { hostname, port } = new URL(`tcp://${host}`);
      return faultProxy({ host: hostname, port: Number(port || (defaultPorts[scheme] ?? 6_379)) });
    }),
  );
  return {
    url: `${scheme}://${login}${proxies.map(({ host, port }) => `${host}:${port}`).join(',')}${rest}`,
    cutOff: () => {
      for (const proxy of proxies) proxy.blackHole();
    },
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}

import { diagnose } from '../doctor/checks.ts';
import { readTarget } from '../doctor/target.ts';

const products: Readonly<Record<string, string>> = {
  ...{ zookeeper: 'ZooKeeper', etcd: 'etcd', postgres: 'PostgreSQL', postgresql: 'PostgreSQL' },
};

/** Name and version of the server behind a lock URL, as the doctor finds them; `undefined` if it does not report them. */
export async function serverVersion(url: string): Promise<string | undefined> {
  const target = readTarget(url);
  const { servers } = await diagnose(target);
  const version = servers.find((server) => server.version !== undefined)?.version;
  return version && `${products[target.url.scheme] ?? 'redis-server'} ${version}`;
}

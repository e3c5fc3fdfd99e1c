import { invalid } from './invalid.ts';
import { type LockUrl, withPorts } from './lock-url.ts';

/** What `openIoredis` and `openNodeRedis` take. */
export interface RedisTarget {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  readonly nodes: readonly { host: string; port: number }[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number | undefined;
  readonly tls: boolean;
  readonly masterName: string | undefined;
}

/** Reads `redis[s][+cluster|+sentinel][+client]://…`; what does not fit the topology is LOCK_INVALID_ARGUMENT. */
export function redisTarget(url: LockUrl): RedisTarget {
  const kind = url.scheme.includes('+cluster') ? 'cluster' : url.scheme.includes('+sentinel') ? 'sentinel' : 'single';
  const wrong = (what: string) => invalid(`The lock URL ${url.scheme}:… is not valid: ${what}`);
  if (url.hosts.length === 0) throw wrong('a host must follow, such as redis://127.0.0.1:6379.');
  if (kind === 'single' && url.hosts.length > 1) {
    throw wrong(
      'it names several hosts. For a cluster write redis+cluster://, for sentinels redis+sentinel://, for independent nodes redlock://.',
    );
  }
  const segments = url.path.split('/').filter((segment) => segment !== '');
  const masterName = kind === 'sentinel' ? segments.shift() : undefined;
  if (kind === 'sentinel' && masterName === undefined) {
    throw wrong('the name of the master must follow, such as redis+sentinel://host1:26379,host2:26379/mymaster.');
  }
  const [db, ...tooMany] = segments;
  if (tooMany.length > 0 || !/^\d{0,4}$/.test(db ?? ''))
    throw wrong('what follows the hosts must be the number of a database, such as /0.');
  if (kind === 'cluster' && Number(db ?? 0) > 0) throw wrong('a cluster has database 0 only.');

  return {
    kind,
    nodes: withPorts(url, kind === 'sentinel' ? 26_379 : 6_379),
    username: url.username,
    password: url.password,
    db: db === undefined ? undefined : Number(db),
    tls: url.scheme.startsWith('rediss'),
    masterName,
  };
}

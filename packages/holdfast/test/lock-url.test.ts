import { isLockError } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { parseLockUrl } from '../src/lock-url.ts';
import { redisTarget } from '../src/redis-target.ts';

const read = (config: Parameters<typeof readConfig>[0]) => readConfig(config, {});

describe('a lock URL', () => {
  it('has credentials, hosts, a path and options', () => {
    expect(parseLockUrl('REDIS+Cluster://us%40er:p%2Fw%3A%23@h1:7000,[::1]:7001,h3/0?ttl=10s&prefix=a%26b:')).toEqual({
      scheme: 'redis+cluster',
      username: 'us@er',
      password: 'p/w:#',
      hosts: [
        { host: 'h1', port: 7000 },
        { host: '::1', port: 7001 },
        { host: 'h3', port: undefined },
      ],
      path: '0',
      params: new Map([
        ['ttl', '10s'],
        ['prefix', 'a&b:'],
      ]),
    });
  });

  it('may have a password without a user, and colons and at signs in it', () => {
    expect(parseLockUrl('redis://:a:b@c@host')).toMatchObject({ username: undefined, password: 'a:b@c' });
  });

  it('may be nothing but a scheme', () => {
    expect(parseLockUrl('memory:')).toMatchObject({ scheme: 'memory', hosts: [], path: '', password: undefined });
  });
});

describe('a Redis URL', () => {
  const target = (text: string) => redisTarget(parseLockUrl(text));

  it('names a single server, with the usual port and the database', () => {
    expect(target('rediss://u:p@h/3')).toEqual({
      kind: 'single',
      nodes: [{ host: 'h', port: 6379 }],
      username: 'u',
      password: 'p',
      db: 3,
      tls: true,
      masterName: undefined,
    });
  });

  it('names a cluster, or sentinels with their master', () => {
    expect(target('redis+cluster+node-redis://a:1,b')).toMatchObject({
      kind: 'cluster',
      tls: false,
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 6379 },
      ],
    });
    expect(target('redis+sentinel://a,b:2/main/1')).toMatchObject({
      kind: 'sentinel',
      masterName: 'main',
      db: 1,
      nodes: [
        { host: 'a', port: 26_379 },
        { host: 'b', port: 2 },
      ],
    });
  });

  it.each([
    ['redis:', /a host must follow/],
    ['redis://', /a host must follow/],
    ['redis://a,b', /several hosts.*redis\+cluster.*redis\+sentinel/],
    ['redis://a/zero', /number of a database/],
    ['redis+cluster://a/1', /database 0 only/],
    ['redis+sentinel://a', /name of the master/],
  ])('%s is refused', (text, message) => {
    expect(() => target(text)).toThrow(message);
  });
});

describe('what is written wrong is shown with what was meant', () => {
  it.each<[string, RegExp]>([
    ['redis//127.0.0.1', /scheme.*Did you mean redis:\/\/\?/],
    ['rediss:/127.0.0.1', /two slashes/],
    ['redi://127.0.0.1', /unknown scheme "redi:".*Did you mean redis:\/\/\?.*Known: memory:, redis:\/\//],
    ['zookeper://127.0.0.1', /Did you mean zookeeper:\/\/\?/],
    ['memroy:', /Did you mean memory:\?/],
    ['mysql://127.0.0.1', /unknown scheme "mysql:". Known:/],
    ['', /begins with a scheme/],
    ['redis://host:99999', /port from 1 to 65535/],
    ['redis://host:0', /port from 1 to 65535/],
    ['redis://a,,b', /separated by commas/],
    ['redis://host?tll=10s', /unknown option "tll".*Did you mean "ttl"\? Known: ttl, wait/],
    ['redis://host?ttlMs=10', /Did you mean "ttl"\?/],
    ['redis://host?prefx=a', /Did you mean "prefix"\?/],
    ['memory:?prefix=a', /unknown option "prefix"/],
    ['redis://host?ttl=10', /"ttl".*needs a unit.*500ms or 10s/],
    ['redis://host?ttl=10sec', /"ttl".*is not a duration/],
    ['redis://host?ttl=-1s', /is not a duration/],
    ['redis://host?ttl=0.0001ms', /is not a duration/],
    ['redis://host?ttl=1s&ttl=2s', /twice/],
    ['redis://host?fencing=yes', /true or false/],
    ['redis://host?waitReplicas=few', /whole number/],
    ['redis://host?prefix=%zz', /percent sign/],
    ['memory://host', /takes no host/],
    ['redlock://', /it needs hosts/],
    ['zookeeper:', /it needs hosts/],
    ['etcd:///prefix', /it needs hosts/],
  ])('%s', async (text, message) => {
    const error = await Promise.resolve()
      .then(() => read(text).open())
      .catch((thrown) => thrown);
    expect(isLockError(error, 'LOCK_INVALID_ARGUMENT')).toBe(true);
    expect(error.message).toMatch(message);
  });

  it('durations are read with every unit, exactly', () => {
    const of = (text: string) => read(`memory:?ttl=${text}`).locksOptions.ttlMs;
    expect(['500ms', '10s', '0.3s', '1.5m', '2h', '30d', '0ms'].map(of)).toEqual([
      500, 10_000, 300, 90_000, 7_200_000, 2_592_000_000, 0,
    ]);
  });

  it('all options of every lock have a name in a URL', () => {
    const url =
      'memory:?ttl=1s&wait=2s&autoRenew=false&maxHold=3s&grace=7s&backendTimeout=4s&attemptTimeout=5s&localRun=6&fencing=false';
    expect(read(url).locksOptions).toEqual({
      ttlMs: 1_000,
      waitMs: 2_000,
      autoRenew: false,
      maxHoldMs: 3_000,
      graceMs: 7_000,
      backendTimeoutMs: 4_000,
      attemptTimeoutMs: 5_000,
      localRun: { count: 6 },
    });
  });
});

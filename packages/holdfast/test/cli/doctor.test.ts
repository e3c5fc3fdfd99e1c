import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  startEtcdCluster,
  startRedis,
  startRedisCluster,
  startRedisNodes,
  startRedisSentinel,
  startZookeeper,
  startZookeeperEnsemble,
} from '@holdfast/testbed';
import { describe, expect, it, vi } from 'vitest';
import { openLocks } from '../../src/index.ts';
import { holdfast } from './support.ts';

// Each test has servers of its own; more of them at once would starve each other.
vi.setConfig({ maxConcurrency: 2 });

interface CheckResult {
  code: number;
  servers: {
    address: string;
    role?: string;
    version?: string;
    roundTripMs?: number;
    clockOffsetMs?: number;
    problem?: string;
  }[];
  /** `critical: sentence`, … */
  findings: string[];
  lockMs?: number;
}

async function runChecks(url: string): Promise<CheckResult> {
  const { code, stdout, stderr } = await holdfast(['doctor', url, '--json']);
  expect(stderr).toBe('');
  const { servers, findings, lockMs } = JSON.parse(stdout);
  return { code, servers, lockMs, findings: findings.map((f: Record<string, string>) => `${f.severity}: ${f.what}`) };
}

const hostOf = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`;

describe.concurrent('doctor on Redis', { timeout: 120_000 }, () => {
  it('a server that keeps its locks: nothing critical, with figures', async () => {
    await using server = await startRedis({ args: ['--appendfsync', 'always'] });
    const { code, servers, findings, lockMs } = await runChecks(server.url);
    expect({ code, findings }).toEqual({ code: 0, findings: [] });
    expect(servers).toEqual([
      {
        address: hostOf(server),
        role: 'master',
        version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        roundTripMs: expect.any(Number),
        clockOffsetMs: expect.any(Number),
        clockErrorMs: expect.any(Number),
      },
    ]);
    // Both are clocks of this machine; the bound is for its load.
    expect(Math.abs(servers[0]!.clockOffsetMs!)).toBeLessThan(1_000);
    expect(lockMs).toBeGreaterThan(0);
    expect(await server.command('DBSIZE')).toBe(0);
  });

  it('shows which locks have been held for the longest, and by whom', async () => {
    await using server = await startRedis({ args: ['--appendfsync', 'always'] });
    await using locks = await openLocks(server.url, { name: 'web-1' });
    for (const n of [5, 2, 6, 1, 4, 3]) {
      await locks.acquire(`job:${n}`);
      await sleep(2); // since when it is held is told in whole milliseconds
    }
    const { stdout } = await holdfast(['doctor', server.url]);
    expect(stdout).toContain('Held now: 6; the oldest are:\n  key ');
    const keys = [...stdout.matchAll(/^ {2}(job:\d) +web-1 +[\d.]+ m?s +exclusive /gm)].map(([, key]) => key);
    expect(keys).toEqual(['job:5', 'job:2', 'job:6', 'job:1', 'job:4']);
    const { held } = JSON.parse((await holdfast(['doctor', server.url, '--json'])).stdout);
    expect(held[5]).toMatchObject({ key: 'job:3', holder: 'web-1', mode: 'exclusive', since: expect.any(String) });
  });

  it('each command that the user may not use, with the words of the server, and nothing is left behind', async () => {
    await using server = await startRedis({ args: ['--appendfsync', 'always'] });
    await server.command(
      ...['ACL', 'SETUSER', 'app', 'on', '>pw', '~lock:*', '&*', '+@all', '-time', '-pexpire', '-@admin'],
    );
    const { code, findings, servers } = await runChecks(`redis://app:pw@${hostOf(server)}`);
    expect(code).toBe(1);
    expect(servers[0]!.problem).toBeUndefined();
    for (const refused of ['TIME', 'PEXPIRE on lock:', 'GET on fence:', 'SET on fence:']) {
      expect(findings.join('\n')).toContain(`critical: The user may not use ${refused}`);
    }
    expect(findings.join('\n')).not.toMatch(/may not use (DEL|PTTL|EVAL|PUBLISH)/);
    expect(await server.command('DBSIZE')).toBe(0);
  });

  it('eviction, and nothing on the disk', async () => {
    const args = ['--appendonly', 'no', '--save', '', '--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'];
    await using server = await startRedis({ args });
    const { code, findings } = await runChecks(server.url);
    expect({ code, findings }).toEqual({
      code: 1,
      findings: [
        'critical: It evicts keys when its memory is full (maxmemory-policy allkeys-lru).',
        'critical: Nothing is saved to disk.',
      ],
    });
    await server.command('CONFIG', 'SET', 'maxmemory', '0', 'save', '3600 1');
    expect(await runChecks(server.url)).toMatchObject({
      code: 0,
      findings: [
        'warning: There is no append-only file; only snapshots are saved (save 3600 1).',
        'note: It evicts keys when its memory is full (maxmemory-policy allkeys-lru).',
      ],
    });
  });

  it('replicas that a grant does not wait for, by sentinels, and a replica in place of its master', async () => {
    await using group = await startRedisSentinel();
    const sentinels = group.sentinels.map(hostOf).join(',');
    const unwaited = 'warning: There are 2 replicas, but grants do not wait for any of them.';
    const asItIs = await runChecks(`redis+sentinel://${sentinels}/${group.masterName}`);
    expect(asItIs.servers.map(({ address, role }) => [address, role])).toEqual([[hostOf(group.master), 'master']]);
    expect(asItIs.findings).toContain(unwaited);
    const waiting = await runChecks(`redis+sentinel://${sentinels}/${group.masterName}?waitReplicas=1`);
    expect(waiting.findings).not.toContain(unwaited);
    const tooMany = await runChecks(`${group.master.url}?waitReplicas=3`);
    expect(tooMany.code).toBe(1);
    expect(tooMany.findings).toContain('critical: waitReplicas is 3, but there are 2 replicas.');
    const replica = await runChecks(group.replicas[0]!.url);
    expect(replica.code).toBe(1);
    expect(replica.findings[0]).toBe(`critical: It is a replica of 127.0.0.1:${group.master.port}.`);
  });

  it('a cluster: every master, also those that the URL does not name', async () => {
    await using cluster = await startRedisCluster();
    const [first] = cluster.nodes;
    const { servers, findings, code } = await runChecks(`redis+cluster://${hostOf(first!)}`);
    const masters = servers.filter(({ role }) => role === 'master').map(({ address }) => address);
    expect(masters.length).toBeGreaterThanOrEqual(3);
    expect({ code, critical: findings.filter((text) => text.startsWith('critical')) }).toEqual({
      code: 0,
      critical: [],
    });
    const asSingle = await runChecks(`redis://${hostOf(first!)}`);
    expect(asSingle.findings).toContain('critical: It is a node of a cluster.');
  });
});

describe.concurrent('doctor on Redlock', { timeout: 120_000 }, () => {
  it('nodes that are one server, an even number, nodes that are away', async () => {
    await using group = await startRedisNodes(3);
    const [a, b, c] = group.nodes.map(hostOf);
    expect((await runChecks(`redlock://${a},${b},${c}`)).findings.filter((text) => !text.startsWith('note'))).toEqual(
      [],
    );

    const twice = await runChecks(`redlock://${a},localhost:${group.nodes[0]!.port},${b}`);
    expect(twice.code).toBe(1);
    expect(twice.findings).toContain(`critical: ${a} and localhost:${group.nodes[0]!.port} are the same server.`);

    await group.nodes[2]!.kill();
    const even = await runChecks(`redlock://${a},${b},${c},127.0.0.1:1`);
    expect(even.findings).toContain('warning: There are 4 nodes, an even number.');
    expect(even.findings).toContain('critical: Only 2 of 4 nodes answer, which is not a majority.');
    expect((await runChecks(`redlock://${a},${b},${c}`)).findings).toContain('warning: Only 2 of 3 nodes answer.');
  });
});

describe.concurrent('doctor on ZooKeeper', { timeout: 120_000 }, () => {
  it('a session time-out outside the bounds, and a server alone', async () => {
    await using server = await startZookeeper({ minSessionTimeoutMs: 4_000 });
    const { servers, findings } = await runChecks(`${server.url}?sessionTimeout=2m`);
    expect(servers).toMatchObject([{ role: 'standalone', version: expect.stringMatching(/^3\./) }]);
    expect(Math.abs(servers[0]!.clockOffsetMs!)).toBeLessThan(2_000);
    expect(findings).toEqual([
      'warning: There is only one server.',
      'warning: The servers do not allow a session time-out of 2 m; they grant 1 m.',
    ]);
    expect((await runChecks(`${server.url}?sessionTimeout=1s`)).findings[1]).toBe(
      'warning: The servers do not allow a session time-out of 1.0 s; they grant 4.0 s.',
    );
    expect((await runChecks(server.url)).findings).toEqual(['warning: There is only one server.']);
  });

  it('an even ensemble, and servers that the URL leaves out', async () => {
    await using ensemble = await startZookeeperEnsemble(2);
    const { findings, servers } = await runChecks(`zookeeper://${hostOf(ensemble.servers[0]!)}`);
    expect(findings).toEqual([
      'warning: There are 2 servers, an even number.',
      'note: The URL names 1 of the 2 servers.',
    ]);
    expect(servers[0]!.role).toMatch(/leader|follower/);
    await using stranger = await startZookeeper();
    const mixed = await runChecks(`zookeeper://${hostOf(ensemble.servers[0]!)},${hostOf(stranger)}`);
    expect(mixed.code).toBe(1);
    expect(mixed.findings[0]).toBe(`critical: ${hostOf(stranger)} runs standalone and is not part of an ensemble.`);
  });
});

describe.concurrent('doctor on etcd', { timeout: 120_000 }, () => {
  it('an even cluster, members of another one, no majority', async () => {
    await using cluster = await startEtcdCluster(2);
    await using other = await startEtcdCluster(1);
    const [a, b] = cluster.members.map(hostOf);
    const { servers, findings, code } = await runChecks(`etcd://${a},${b}`);
    expect(servers.map(({ role }) => role).sort()).toEqual(['follower', 'leader']);
    expect(Math.abs(servers[0]!.clockOffsetMs!)).toBeLessThan(2_000);
    expect({ code, findings }).toEqual({ code: 0, findings: ['warning: There are 2 members, an even number.'] });

    const mixed = await runChecks(`etcd://${a},${hostOf(other.members[0]!)}`);
    expect(mixed.code).toBe(1);
    expect(mixed.findings).toContain('critical: The hosts in the URL belong to different clusters.');

    await cluster.members[1]!.kill();
    const alone = await runChecks(`etcd://${a},${b}`);
    expect(alone.code).not.toBe(0);
    expect(alone.servers[1]!.problem).toBeDefined();
  });
});

describe.concurrent('doctor where nothing is', { timeout: 90_000 }, () => {
  it.each([
    'redis://127.0.0.1:1',
    'redis+sentinel://127.0.0.1:1/m',
    'redlock://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3',
    'zookeeper://127.0.0.1:1',
    'etcd://127.0.0.1:4',
  ])('%s: 69 in bounded time', async (url) => {
    const startedAt = performance.now();
    const { code, servers } = await runChecks(url);
    expect(code).toBe(69);
    expect(servers[0]!.problem).toContain('ECONNREFUSED');
    expect(performance.now() - startedAt).toBeLessThan(30_000);
  });

  it('a server that is stopped and never answers', async () => {
    await using server = await startRedis();
    server.freeze();
    const { code, servers } = await runChecks(server.url);
    expect(code).toBe(69);
    // The client may give up its connection before the doctor stops waiting for it.
    expect(servers[0]!.problem).toMatch(/^no answer within 4 s$|has no connection to Redis at the moment/);
  });

  it('a server of another kind is named as what it is, with its words', async () => {
    const web = createServer((_, answer) => answer.end('hello'));
    await once(web.listen(0, '127.0.0.1'), 'listening');
    try {
      const { port } = web.address() as AddressInfo;
      for (const [scheme, kind] of [
        ['redis', 'Redis'],
        ['zookeeper', 'ZooKeeper'],
        ['etcd', 'etcd'],
        ['postgres', 'PostgreSQL'],
      ]) {
        const { code, findings } = await runChecks(`${scheme}://127.0.0.1:${port}`);
        expect(code).toBe(69);
        expect(findings).toEqual([
          expect.stringMatching(
            `^critical: The server answers at 127.0.0.1:${port}, but is not ${kind}: it says "HTTP/1.1`,
          ),
        ]);
      }
    } finally {
      web.close();
      web.closeAllConnections();
    }
  });

  it('memory: excludes no other process, which is critical', async () => {
    expect(await runChecks('memory:')).toMatchObject({
      code: 1,
      findings: ['critical: memory: is separate in each process.'],
    });
  });

  it('reads as a page for a person', async () => {
    await using server = await startRedis({ args: ['--appendonly', 'no', '--save', ''] });
    const { stdout, code } = await holdfast(['doctor', server.url]);
    expect(code).toBe(1);
    expect(stdout.split('\n').every((line) => line.length <= 100)).toBe(true);
    expect(stdout).toContain(`critical ${hostOf(server)}: Nothing is saved to disk.\n`);
    expect(stdout).toContain('         Remedy: Set appendonly yes');
    expect(stdout).toMatch(/\n1 critical\n$/);
  });
});

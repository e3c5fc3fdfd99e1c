import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startEtcd, startRedis } from '@holdfast/testbed';
import { openLocks } from 'holdfast';
import { describe, expect, it } from 'vitest';
import { getOrLoadOnce, openCache } from '../src/cache.ts';
import { requests, stampede } from '../src/stampede.ts';

describe('cache stampede', { timeout: 120_000 }, () => {
  it('without a lock every miss loads', async () => {
    expect(await stampede('memory:', false)).toEqual({ loads: requests, served: requests });
  });

  it.each([
    { backend: 'memory', start: async () => ({ url: 'memory:', stop: async () => {} }) },
    { backend: 'Redis', start: startRedis },
    { backend: 'etcd', start: startEtcd },
  ])('1,000 concurrent misses are one load on $backend', async ({ start }) => {
    const { url, stop } = await start();
    try {
      expect(await stampede(url, true)).toEqual({ loads: 1, served: requests });
    } finally {
      await stop();
    }
  });

  it('a load that fails fails for one, and the next one loads', async () => {
    await using locks = await openLocks('memory:');
    const cache = openCache();
    let loads = 0;
    const load = async () => {
      if (++loads === 1) throw new Error('the database is restarting');
      return 'page';
    };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => getOrLoadOnce(locks, cache, 'failing', load)),
    );
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBe(1);
    expect(loads).toBe(2);
  });

  it('runs with one command', async () => {
    const folder = fileURLToPath(new URL('..', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/main.ts'], { cwd: folder });
    expect(stdout).toContain('✓ 1000 of 1000 requests were answered from 1 load');
  });
});

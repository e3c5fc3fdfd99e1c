import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, lock } from 'proper-lockfile';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, program, startBench } from './support.ts';

describe('from proper-lockfile', () => {
  let folder = '';
  let file = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-migration-'));
    file = join(folder, 'report.csv');
    await writeFile(file, '');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('What is locked', async () => {
    const release = await lock(file);
    expect(existsSync(`${file}.lock`)).toBe(true);
    await release();
    await expect(lock(join(folder, 'not there'))).rejects.toMatchObject({ code: 'ENOENT' });

    await using bench = await startBench();
    const locks = bench.locks();
    await locks.using(file, async () => expect(await bench.redis.exists(`lock:${file}`)).toBe(1));
    expect(await locks.using('no file at all', () => 'done')).toBe('done');
  });

  it('A busy lock', async () => {
    const release = await lock(file);
    await expect(lock(file)).rejects.toMatchObject({ code: 'ELOCKED' });
    expect(await check(file)).toBe(true);
    await release();

    await using bench = await startBench();
    const locks = bench.locks();
    await using held = await locks.acquire('report');
    expect(await locks.tryAcquire('report')).toBeUndefined();
    const waiting = locks.acquire('report', { owner: locks.createOwner() });
    expect(await locks.inspect('report')).toBeDefined();
    await held.release();
    await (await waiting).release();
  });

  it('The lock was lost', async () => {
    const before = await program(
      `import { rmdirSync } from 'node:fs';
       import { lock } from 'proper-lockfile';
       await lock(process.env.FILE, { stale: 2_000 });
       rmdirSync(process.env.FILE + '.lock');
       setTimeout(() => process.exit(0), 30_000);`,
      { FILE: file },
    );
    expect(before.code).not.toBe(0);
    expect(before.output).toContain('ECOMPROMISED');

    await using bench = await startBench();
    const own = await bench.locks({ ttlMs: 300 }).acquire('report');
    await bench.redis.del('lock:report');
    await eventually(() => own.signal.aborted);
    expect(own.state).toBe('lost');
  });

  it('A release that comes too late', async () => {
    let told = false;
    const onCompromised = () => {
      told = true;
    };
    const release = await lock(file, { stale: 2_000, onCompromised });
    await rm(`${file}.lock`, { recursive: true });
    await eventually(() => told);
    await expect(release()).rejects.toMatchObject({ code: 'ERELEASED' });

    await using bench = await startBench();
    const own = await bench.locks().acquire('report');
    await bench.redis.del('lock:report');
    expect([await own.release(), await own.release()]).toEqual(['lost', 'lost']);
  });

  it('The process ends', async () => {
    const before = await program(
      `import { lock } from 'proper-lockfile';
       await lock(process.env.FILE);
       process.exit(0);`,
      { FILE: file },
    );
    expect(before).toEqual({ code: 0, output: '' });
    expect(existsSync(`${file}.lock`)).toBe(false);

    await using bench = await startBench();
    const code = `import { openLocks } from 'holdfast';
       const locks = await openLocks(process.env.LOCK_URL);
       await locks.acquire(process.env.KEY);
       if (process.env.KEY === 'closed') await locks.close();
       process.exit(0);`;
    for (const KEY of ['closed', 'left']) {
      const after = await program(code, { LOCK_URL: bench.server.url, KEY });
      expect(after).toEqual({ code: 0, output: '' });
    }
    expect(await bench.redis.exists('lock:closed')).toBe(0);
    expect(await bench.redis.pttl('lock:left')).toBeGreaterThan(0);
  });
});

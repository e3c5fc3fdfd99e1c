import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundlers } from './bundlers.ts';
import { askNext, buildNext } from './next-app.ts';

const names = ['holdfast', 'lock-core', 'adapter-memory', 'redis-protocol', 'adapter-ioredis'];
const execute = promisify(execFile);
const packages = fileURLToPath(new URL('../..', import.meta.url));
const app = `
import { openLocks } from 'holdfast';
const locks = await openLocks(process.env.LOCK_URL);
await locks.using('a', async () => console.log('locked with ' + locks.adapter.name));
await locks.close();
`;
const withFactory = app
  .replace('\n', "\nimport { ioredisAdapterFactory } from '@holdfast/adapter-ioredis';\n")
  .replace('LOCK_URL)', 'LOCK_URL, { adapters: [ioredisAdapterFactory] })');

/** webpack and Rollup mention an adapter that is not installed; the import of it is caught. */
const notInstalled = /(resolve '|^")@holdfast\/adapter-(?!ioredis|memory)[a-z-]+['"]/;

// An application that has installed holdfast, the adapter of ioredis and ioredis. Its bundles run where there is nothing else.
describe('a bundle', () => {
  let folder: string;
  let redis: RedisServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-bundlers-'));
    for (const name of names) {
      const installed = join(folder, 'app/node_modules', name === 'holdfast' ? name : `@holdfast/${name}`);
      for (const part of ['dist', 'package.json'])
        cpSync(join(packages, name, part), join(installed, part), { recursive: true });
    }
    const client = realpathSync(join(packages, 'adapter-ioredis/node_modules/ioredis'));
    symlinkSync(client, join(folder, 'app/node_modules/ioredis'), 'junction');
    writeFileSync(join(folder, 'app/package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'app/app.mjs'), app);
    writeFileSync(join(folder, 'app/with-factory.mjs'), withFactory);
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a bundle with the backend that the environment names, and gives what it printed. */
  const run = async (bundle: string, LOCK_URL: string): Promise<string> => {
    try {
      const { stdout } = await execute(process.execPath, [bundle], { cwd: tmpdir(), env: { PATH: '', LOCK_URL } });
      return stdout;
    } catch (error) {
      return (error as { stderr: string }).stderr;
    }
  };

  it.each(Object.entries(bundlers))(
    'of %s holds the adapter that was installed, and warns of no other thing',
    { timeout: 120_000 },
    async (name, bundle) => {
      const output = join(folder, name);
      mkdirSync(output);
      const warnings = await bundle(join(folder, 'app/app.mjs'), output);
      expect(warnings.filter((text) => !notInstalled.test(text))).toEqual([]);
      const file = join(output, 'bundle.mjs');
      expect(await run(file, redis.url)).toContain('locked with ioredis');
      expect(await run(file, 'memory:')).toContain('locked with memory');
      expect(await run(file, 'etcd://127.0.0.1:2379')).toContain(
        'The package for this backend is not installed: npm install @holdfast/adapter-etcd etcd3',
      );
    },
  );

  // Next.js comes from the registry, 340 MB, so this is for the nightly run.
  if (process.env.HOLDFAST_TEST_ALL) {
    it('of Next.js and Turbopack has the recipe running outside the project', { timeout: 900_000 }, async () => {
      const built = join(folder, 'next');
      const sources = names.map((name): [string, string] => [
        name === 'holdfast' ? name : `@holdfast/${name}`,
        join(packages, name),
      ]);
      const printed = await buildNext(built, sources);
      expect(printed).toContain('Turbopack');
      expect(printed).not.toMatch(/warn|error|holdfast/i);
      const elsewhere = mkdtempSync(join(tmpdir(), 'holdfast-next-'));
      const away = join(folder, 'next-away');
      renameSync(join(built, 'node_modules'), away);
      expect(await askNext(built, elsewhere, redis.url)).toBe('200 {"paid":"/42"}');
      expect(await redis.command('EXISTS', 'fence:{lock:invoice:/42}')).toBe(1);
      expect(await askNext(built, elsewhere, 'memory:')).toBe('200 {"paid":"/42"}');
      expect(await askNext(built, elsewhere, 'etcd://127.0.0.1:2379')).toBe('503 ');
      rmSync(elsewhere, { recursive: true, force: true });
    });
  }

  it('holds an adapter that the application imports itself', { timeout: 120_000 }, async () => {
    const output = join(folder, 'with-factory');
    expect(await bundlers.esbuild(join(folder, 'app/with-factory.mjs'), output)).toEqual([]);
    expect(await run(join(output, 'bundle.mjs'), redis.url)).toContain('locked with ioredis');
  });
});

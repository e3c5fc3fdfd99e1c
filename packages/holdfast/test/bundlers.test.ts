import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type RedisServer, startEtcd, startPostgres, startRedis } from '@holdfast/testbed';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundlers } from './bundlers.ts';
import { askNext, buildNext } from './next-app.ts';

const names = ['holdfast', 'lock-core', 'adapter-memory', 'redis-protocol', 'adapter-ioredis'];
const others = ['node-redis', 'redlock', 'zookeeper', 'etcd', 'postgres'].map((name) => `adapter-${name}`);
const clients: Readonly<Record<string, string>> = {
  ioredis: 'adapter-ioredis',
  redis: 'adapter-node-redis',
  'node-zookeeper-client': 'adapter-zookeeper',
  etcd3: 'adapter-etcd',
  pg: 'adapter-postgres',
};
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

const installedName = (name: string): string => (name === 'holdfast' ? name : `@holdfast/${name}`);

/** Writes an application that has these packages and clients installed. */
function application(folder: string, ours: readonly string[], theirs: readonly string[]): void {
  for (const name of ours) {
    for (const part of ['dist', 'package.json'])
      cpSync(join(packages, name, part), join(folder, 'node_modules', installedName(name), part), { recursive: true });
  }
  for (const client of theirs) link(client, folder);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'app.mjs'), app);
  writeFileSync(join(folder, 'with-factory.mjs'), withFactory);
}

function link(client: string, folder: string): void {
  const installed = realpathSync(join(packages, clients[client]!, 'node_modules', client));
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(installed, join(folder, 'node_modules', client), 'junction');
}

// An application that has installed holdfast, the adapter of ioredis and ioredis. Its bundles run where there is nothing else.
describe('a bundle', () => {
  let folder: string;
  let redis: RedisServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-bundlers-'));
    application(join(folder, 'app'), names, ['ioredis']);
    application(join(folder, 'all'), [...names, ...others], Object.keys(clients));
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
    'of %s holds the adapter that was installed, and warns of nothing with the settings of the README',
    { timeout: 120_000 },
    async (name, bundle) => {
      const output = join(folder, name);
      mkdirSync(output);
      const warnings = await bundle(join(folder, 'app/app.mjs'), output);
      expect(warnings).toEqual([]);
      const file = join(output, 'bundle.mjs');
      expect(await run(file, redis.url)).toContain('locked with ioredis');
      expect(await run(file, 'memory:')).toContain('locked with memory');
      expect(await run(file, 'etcd://127.0.0.1:2379')).toContain(
        'The package for this backend is not installed: npm install @holdfast/adapter-etcd etcd3',
      );
    },
  );

  // The other bundlers take 20 s for it, so they are for the nightly run.
  const forAll = Object.entries(bundlers).filter(([name]) => name === 'esbuild' || process.env.HOLDFAST_TEST_ALL);
  it.each(forAll)('of %s holds every adapter, with etcd3 beside it', { timeout: 300_000 }, async (name, bundle) => {
    await using etcd = await startEtcd();
    await using postgres = await startPostgres();
    const output = join(folder, `${name}-all`);
    mkdirSync(output);
    expect(await bundle(join(folder, 'all/app.mjs'), output)).toEqual([]);
    link('etcd3', output);
    const file = join(output, 'bundle.mjs');
    expect(await run(file, redis.url)).toContain('locked with ioredis');
    expect(await run(file, redis.url.replace('redis:', 'redis+node-redis:'))).toContain('locked with node-redis');
    expect(await run(file, etcd.url)).toContain('locked with etcd');
    expect(await run(file, `${postgres.url}?createSchema=true`)).toContain('locked with postgres');
    // Without servers, it is the adapter that fails to connect.
    for (const backend of ['zookeeper', 'redlock'])
      expect(await run(file, `${backend}://127.0.0.1:1?backendTimeout=300ms`)).toContain(
        `(${backend}) does not answer`,
      );
  });

  it('of Next.js and Turbopack has the recipe running outside the project', { timeout: 900_000 }, async () => {
    const built = fileURLToPath(new URL('../../../.cache/next', import.meta.url));
    const printed = await buildNext(
      built,
      names.map((name) => [installedName(name), join(packages, name)]),
    );
    expect(printed).toContain('Turbopack');
    expect(printed).not.toMatch(/warn|error|holdfast/i);
    const elsewhere = mkdtempSync(join(tmpdir(), 'holdfast-next-'));
    const [installed, away] = [join(built, 'node_modules'), join(built, 'away')];
    renameSync(installed, away); // so that nothing is taken from there
    try {
      expect(await askNext(built, elsewhere, redis.url)).toBe('200 {"paid":"/42"}');
      expect(await redis.command('EXISTS', 'fence:{lock:invoice:/42}')).toBe(1);
      expect(await askNext(built, elsewhere, 'memory:')).toBe('200 {"paid":"/42"}');
      expect(await askNext(built, elsewhere, 'etcd://127.0.0.1:2379')).toBe('503 ');
    } finally {
      renameSync(away, installed);
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });

  it('that lacks a `require` says so, and what to do', { timeout: 120_000 }, async () => {
    const outfile = join(folder, 'without-require.mjs');
    const entryPoints = [join(folder, 'app/app.mjs')];
    await build({
      entryPoints,
      outfile,
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
    });
    const said = await run(outfile, redis.url);
    expect(said).toMatch(
      /adapter-ioredis is installed but cannot be loaded: Dynamic require of "\w+".* see "Bundles" in the README/,
    );
  });

  it('holds an adapter that the application imports itself', { timeout: 120_000 }, async () => {
    const output = join(folder, 'with-factory');
    expect(await bundlers.esbuild(join(folder, 'app/with-factory.mjs'), output)).toEqual([]);
    expect(await run(join(output, 'bundle.mjs'), redis.url)).toContain('locked with ioredis');
  });
});

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installedKib, type PackedProject, packedProject, published } from '../scripts/packed-project.ts';
import { npmInstall } from './npm-install.ts';
import { root } from './workspace.ts';

/** Every entry that one can import; those that a test runner loads are imported for their types only. */
const entries = published.flatMap(({ manifest }) =>
  Object.keys(manifest.exports ?? {})
    .filter((path) => path !== './package.json')
    .map((path) => join(manifest.name, path)),
);
const needsRunner = /\/(vitest|mocha)$/;

const program = `
${entries
  .filter((entry) => !needsRunner.test(entry))
  .map((entry, index) => `import * as entry${index} from '${entry}';`)
  .join('\n')}
import { isLockError, type Locks, openLocks } from 'holdfast';
import { createLocks } from '@holdfast/lock-core';
import { memoryAdapter } from '@holdfast/adapter-memory';

const empty = [${entries
  .filter((entry) => !needsRunner.test(entry))
  .map((_, index) => `entry${index}`)
  .join(', ')}].filter((entry) => Object.keys(entry).length === 0);
if (empty.length > 0) throw new Error('an entry exports nothing');

const locks: Locks = await openLocks('memory:', { require: { fencing: true } });
const token: bigint | undefined = await locks.using('k', (lock) => lock.fencingToken);
if (typeof token !== 'bigint') throw new Error('no fencing token');
await locks.close();

const own = createLocks(memoryAdapter(), { ttlMs: 1_000 });
const held = await own.acquire('k');
const error: unknown = await own.acquire('k', { waitMs: 1 }).catch((thrown: unknown) => thrown);
if (!isLockError(error, 'LOCK_TIMEOUT')) throw error;
await held.release();
await own.close();
process.stdout.write(\`works on Node \${process.versions.node}\`);
`;

describe('the packages, packed and installed into an empty project', () => {
  let project: PackedProject;

  beforeAll(async () => {
    project = await packedProject();
    writeFileSync(join(project.folder, 'program.ts'), program);
    const rows = published.map(({ manifest }) => `${manifest.name} ${installedKib(project.folder, manifest.name)} KiB`);
    process.stdout.write(`installed: ${rows.join(', ')}\n`);
  }, 180_000);
  afterAll(() => project?.[Symbol.dispose]());

  it.each(['nodenext', 'bundler'])(
    'has right types with moduleResolution %s',
    { timeout: 120_000 },
    async (resolution) => {
      const compilerOptions = {
        target: 'ES2023',
        lib: ['ES2023', 'ESNext.Disposable'],
        module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
        moduleResolution: resolution,
        strict: true,
        skipLibCheck: true,
        types: ['node'],
        outDir: resolution,
      };
      const config = `tsconfig.${resolution}.json`;
      writeFileSync(join(project.folder, config), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
      await project.run(process.execPath, 'node_modules/typescript/bin/tsc', '-p', config);
      expect(await project.run(process.execPath, `${resolution}/program.js`)).toContain('works on Node');
    },
  );

  it('runs on the newest Node with long support too', { timeout: 180_000 }, async () => {
    const node = await node24();
    const js = join(project.folder, 'nodenext', 'program.js');
    expect(await project.run(node, js)).toContain('works on Node 24.');
  });

  it('can be required by CommonJS', async () => {
    const code = "require('holdfast').openLocks('memory:').then((locks) => console.log(locks.adapter.name))";
    expect(await project.run(process.execPath, '--input-type=commonjs', '--eval', code)).toContain('memory');
  });

  it('has a command line', async () => {
    const { version } = published.find(({ manifest }) => manifest.name === 'holdfast')!.manifest as {
      version?: string;
    };
    expect(await project.run('npx', '--no-install', 'holdfast', '--version')).toContain(version);
  });

  it.each(published)('$path brings its licence and README, and no sources, tests or other files', ({ manifest }) => {
    const folder = join(project.folder, 'node_modules', manifest.name);
    for (const file of ['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']) {
      expect(existsSync(join(folder, file)), file).toBe(true);
    }
    for (const file of ['src', 'test', 'bench', 'tsconfig.json'])
      expect(existsSync(join(folder, file)), file).toBe(false);
  });

  it('an application with one backend gets a handful of packages', async () => {
    const needed = new Set<string>();
    const add = (name: string): void => {
      if (needed.has(name)) return;
      needed.add(name);
      const found = published.find(({ manifest }) => manifest.name === name);
      for (const next of Object.keys(found?.manifest.dependencies ?? {})) add(next);
    };
    add('holdfast');
    const own = ['@holdfast/adapter-memory', '@holdfast/lock-core', 'holdfast'];
    expect([...needed].sort()).toEqual([...own, '@bomb.sh/tab', 'commander', 'string-width'].sort());
  });
});

/** Node 24 as npm has it, kept for the next run. */
async function node24(): Promise<string> {
  const folder = join(root, '.cache', 'node-24');
  const binary = join(folder, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    await npmInstall(folder, ['node@24']);
  }
  return binary;
}

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Manifest, packagesIn, root } from './workspace.ts';

const execute = promisify(execFile);
const all = packagesIn('packages');
const published = all.filter(({ manifest }) => !manifest.private).map(({ manifest }) => manifest.name);
const adapters = published.filter((name) => name.includes('adapter-'));

type Changes = Record<string, 'patch' | 'minor' | 'major'>;

/** A copy of the manifests, whose packages all have version 0.1.0, for releases one after another. */
async function releases() {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-changesets-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const file of ['package.json', 'pnpm-workspace.yaml', '.changeset/config.json']) {
    cpSync(join(root, file), join(folder, file));
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  for (const { path, manifest } of all) {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, 'package.json'), JSON.stringify({ ...manifest, version: '0.1.0' }));
  }
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n');
  const git = (...args: string[]) =>
    execute('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { cwd: folder });
  await git('init', '-q', '-b', 'main');

  const manifestOf = (path: string): Manifest & { version: string } =>
    JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'));
  return {
    manifest: (name: string) => manifestOf(all.find(({ manifest }) => manifest.name === name)!.path),
    /** What `changeset version` makes of changes: the version of every package that is published. */
    async release(changes: Changes): Promise<Record<string, string>> {
      const lines = Object.entries(changes).map(([name, bump]) => `"${name}": ${bump}`);
      writeFileSync(join(folder, '.changeset', 'change.md'), `---\n${lines.join('\n')}\n---\n\nA change.\n`);
      await git('add', '.');
      await git('commit', '-q', '-m', 'before');
      await execute(process.execPath, [join(root, 'node_modules/@changesets/cli/bin.js'), 'version'], { cwd: folder });
      const versions = all.map(({ path, manifest }) => [manifest.name, manifestOf(path).version] as const);
      return Object.fromEntries(versions.filter(([name]) => published.includes(name)));
    },
  };
}

/** All packages at 1.0.0, as the release that declares them stable leaves them. */
async function stableReleases() {
  const copy = await releases();
  const versions = await copy.release(Object.fromEntries(published.map((name) => [name, 'major'])));
  expect(of(versions, published)).toEqual(['1.0.0']);
  return copy;
}

const of = (versions: Record<string, string>, names: readonly string[]): string[] => [
  ...new Set(names.map((name) => versions[name]!)),
];

describe('a release', { timeout: 120_000 }, () => {
  it('before 1.0 a minor version of lock-core makes no package a major one, nor publishes an adapter', async () => {
    const { release } = await releases();
    for (const [core, suite] of [
      ['0.2.0', '0.2.0'],
      ['0.3.0', '0.3.0'],
    ]) {
      const versions = await release({ '@holdfast/lock-core': 'minor' });
      expect(versions['@holdfast/lock-core']).toBe(core);
      // The suite checks the contract of the core, so they go together.
      expect(versions['@holdfast/conformance']).toBe(suite);
      expect(Object.values(versions).filter((version) => !version.startsWith('0.'))).toEqual([]);
      // Their range of the core takes it in as it is.
      expect(
        of(
          versions,
          adapters.filter((name) => name !== '@holdfast/adapter-memory'),
        ),
      ).toEqual(['0.1.0']);
    }
  });

  it('before 1.0 a minor version of an adapter makes nothing a major one', async () => {
    const { release } = await releases();
    const versions = await release({ '@holdfast/adapter-ioredis': 'minor', '@holdfast/redis-protocol': 'minor' });
    expect(Object.values(versions).filter((version) => !version.startsWith('0.'))).toEqual([]);
  });

  it('a change of the core and of an adapter at once leaves the ranges open', async () => {
    const { release, manifest } = await releases();
    await release({ '@holdfast/lock-core': 'minor', '@holdfast/adapter-etcd': 'minor' });
    expect(manifest('@holdfast/adapter-etcd').peerDependencies?.['@holdfast/lock-core']).toBe('workspace:^0.x');
    const versions = await release({ '@holdfast/lock-core': 'minor' });
    expect(versions['@holdfast/adapter-etcd']).toBe('0.2.0');
  });

  it('from 1.0 on neither: and the ranges say 1', async () => {
    const { release, manifest } = await stableReleases();
    expect(manifest('@holdfast/adapter-etcd').peerDependencies?.['@holdfast/lock-core']).toBe('workspace:^1.0.0');
    const versions = await release({ '@holdfast/lock-core': 'minor' });
    expect(versions['@holdfast/lock-core']).toBe('1.1.0');
    expect(versions['@holdfast/conformance']).toBe('1.1.0');
    expect(of(versions, [...adapters, 'holdfast'])).toEqual(['1.0.0']);
  });

  it('a major one makes them major: adapters say which core they are for', async () => {
    const { release } = await stableReleases();
    const versions = await release({ '@holdfast/lock-core': 'major' });
    expect(of(versions, ['@holdfast/lock-core', '@holdfast/conformance', ...adapters])).toEqual(['2.0.0']);
  });

  it('a change of one adapter is a release of that one', async () => {
    const { release } = await stableReleases();
    const versions = await release({ '@holdfast/adapter-etcd': 'minor' });
    const changed = Object.keys(versions).filter((name) => versions[name] !== '1.0.0');
    expect(changed).toEqual(['@holdfast/adapter-etcd']);
  });
});

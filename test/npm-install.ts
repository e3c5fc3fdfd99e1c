import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

// A registry may name a version hours before it can deliver it, so what the packages depend on is taken as of a day, too.
const asOf = '--before=2026-11-15';

/** Installs packages from the registry in a folder, with their dependencies as of a fixed day. */
export async function npmInstall(folder: string, packages: readonly string[]): Promise<void> {
  await execute('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', asOf, ...packages], { cwd: folder });
}

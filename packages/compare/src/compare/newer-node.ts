import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const wanted = 22;
// A package of npm whose program is Node itself.
const nodePackage = 'node@22.23.3';
const limitMs = 60_000;

/** A Node of at least 22: this one, else one that npm fetches and keeps. @throws Error when npm cannot. */
export async function newerNode(): Promise<{ execPath: string; version: string }> {
  if (Number(process.versions.node.split('.')[0]) >= wanted) {
    return { execPath: process.execPath, version: process.version };
  }
  const { stdout } = await promisify(execFile)(
    'npm',
    ['exec', '--yes', `--package=${nodePackage}`, '--', 'node', '-p', 'process.execPath + " " + process.version'],
    { timeout: limitMs, env: { ...process.env, npm_config_update_notifier: 'false' } },
  );
  const [execPath, version] = stdout.trim().split(' ');
  return { execPath: execPath!, version: version! };
}

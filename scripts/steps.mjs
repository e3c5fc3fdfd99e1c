// The ground of `npm start` and `npm test`: plain Node without dependencies, since nothing is installed yet.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const isTerminal = process.stdout.isTTY === true && process.env.TERM !== 'dumb';
const running = new Set();
let interrupted = false;

/** Of every child: our tools on the PATH, no telemetry, no notices. */
const env = {
  ...process.env,
  PATH: join(root, 'node_modules', '.bin') + delimiter + process.env.PATH,
  DO_NOT_TRACK: '1',
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
  npm_config_update_notifier: 'false',
  // Some tools colour what goes into a file.
  ...(isTerminal || process.env.FORCE_COLOR ? {} : { NO_COLOR: '1' }),
};

/** Ends with one clear line on a Node that is too old. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(
    `Holdfast needs Node ${manifest.engines.node}; this is ${process.versions.node}. See https://nodejs.org`,
  );
  process.exit(1);
}

/** Installs the packages that the lock file names, unless just these are there. Gives whether that went well. */
export async function install() {
  const folders = ['packages', 'examples'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(root, parent, name)),
  );
  const manifests = [root, ...folders].map((folder) => join(folder, 'package.json')).filter((file) => existsSync(file));
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${process.versions.modules}`);
  for (const file of [...manifests, join(root, 'pnpm-lock.yaml')]) hash.update(readFileSync(file));
  const wanted = hash.digest('hex');
  const stamp = join(root, 'node_modules', '.holdfast-installed');
  const complete = manifests.every((file) => existsSync(join(dirname(file), 'node_modules')));
  if (complete && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return true;

  const pnpm = ['exec', '--yes', '--', manifest.packageManager, 'install', '--frozen-lockfile'];
  const hint = 'Check the network and the registry (npm config get registry), then run the same command again.';
  if (!(await step('packages installed', 'npm', pnpm, hint))) return false;
  writeFileSync(stamp, wanted);
  return true;
}

/** Runs a command quietly and prints one line with its time; when it fails, all that it said and what to do. */
export async function step(title, command, args, hint) {
  const begin = performance.now();
  if (isTerminal) process.stdout.write(`  … ${title}`);
  const { code, output } = await run(command, args, { quiet: true });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  process.stdout.write(`${isTerminal ? '\r\x1b[K' : ''}  ${code === 0 ? '✓' : '✗'} ${title}  ${seconds} s\n`);
  if (code !== 0) console.log(`\n${output.trimEnd()}\n\n${hint}\n`);
  return code === 0;
}

/** Runs a command to its end. Quietly: its output is kept and nothing is asked; else it has our terminal. */
export function run(command, args, { cwd = root, quiet = false, variables = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...env, ...variables, ...(quiet ? { CI: 'true' } : {}) },
      // npm and the tools are .cmd files on Windows, which only a shell can start.
      shell: process.platform === 'win32',
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    });
    running.add(child);
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const end = (code) => {
      running.delete(child);
      if (interrupted) process.exit(130);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      output += `${command}: ${error.message}`;
      end(1);
    });
    child.on('close', (code) => end(code ?? 1));
  });
}

// The child ends first and stops its servers; we follow.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    for (const child of running) child.kill(signal);
    if (running.size === 0) process.exit(130);
  });
}

/** Installs, builds all packages, and runs a TypeScript program of ours with the arguments of this one. */
export async function runBuilt(program, ...first) {
  checkNode();
  const hint =
    'The build failed. From a clean clone this should not happen: please open an issue with the lines above.';
  const build = ['run', 'build', '--filter=./packages/*', '--output-logs=errors-only'];
  const ready = (await install()) && (await step('packages built', 'turbo', build, hint));
  const { code } = ready
    ? await run('node', ['--import', 'tsx', program, ...first, ...process.argv.slice(2)])
    : { code: 1 };
  process.exitCode = code;
}

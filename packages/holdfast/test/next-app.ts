import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transformSync } from 'esbuild';
import { npmInstall } from '../../../test/npm-install.ts';
import { freePorts } from '../../testbed/src/ports.ts';

const execute = promisify(execFile);
const config = `export default {
  output: 'standalone', outputFileTracingRoot: import.meta.dirname, turbopack: { root: import.meta.dirname },
};
`;
const client = 'ioredis';
const wanted = ['next@16.4.6', 'react@19', 'react-dom@19', `${client}@6`];

/** The route handler of the recipe, in JavaScript: a test of the documents checks its types. */
function recipe(): string {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/recipes.md', import.meta.url)), 'utf8');
  const code = /\n### Next\.js\n[^`]*```ts\n(.*?)```/s.exec(page.replaceAll('`globalThis`', 'globalThis'))?.[1];
  if (code === undefined) throw new Error('docs/recipes.md has no route handler for Next.js');
  return transformSync(code, { loader: 'ts' }).code;
}

/** Builds an application of the recipe with Turbopack, and gives what that printed. Next.js comes from the registry, once for a checkout. */
export async function buildNext(folder: string, packages: readonly [name: string, source: string][]): Promise<string> {
  mkdirSync(join(folder, 'app/[invoice]'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  writeFileSync(join(folder, 'next.config.mjs'), config);
  writeFileSync(join(folder, 'app/[invoice]/route.js'), recipe());
  if (!existsSync(join(folder, 'node_modules', client, 'package.json'))) await npmInstall(folder, wanted);
  // npm would remove what it did not install.
  for (const [name, source] of packages) {
    const installed = join(folder, 'node_modules', name);
    rmSync(installed, { recursive: true, force: true });
    for (const part of ['dist', 'package.json']) cpSync(join(source, part), join(installed, part), { recursive: true });
  }
  rmSync(join(folder, '.next'), { recursive: true, force: true });
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };
  const built = await execute(process.execPath, ['node_modules/next/dist/bin/next', 'build'], { cwd: folder, env });
  return built.stdout + built.stderr;
}

/** Runs what was built elsewhere, sends it one request, and gives the status and the text of the answer. */
export async function askNext(built: string, elsewhere: string, LOCK_URL: string): Promise<string> {
  cpSync(join(built, '.next/standalone'), elsewhere, { recursive: true });
  const [port] = await freePorts(1);
  const env = { PATH: '', NODE_ENV: 'production', HOSTNAME: '127.0.0.1', PORT: String(port), LOCK_URL };
  const server = spawn(process.execPath, ['server.js'], { cwd: elsewhere, env, stdio: 'ignore' });
  try {
    for (;;) {
      if (server.exitCode !== null) throw new Error(`the application ended with ${server.exitCode}`);
      const response = await fetch(`http://127.0.0.1:${port}/42`, { method: 'POST' }).catch(() => undefined);
      if (response !== undefined) return `${response.status} ${await response.text()}`;
      await sleep(100);
    }
  } finally {
    server.kill('SIGKILL');
  }
}

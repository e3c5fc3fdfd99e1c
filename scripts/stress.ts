// Stress runs of our own adapters, side by side: `pnpm stress`, `pnpm stress --duration 60s etcd redlock`.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../test/workspace.ts';
import { type OwnBackend, ownBackends } from './own-backends.ts';
import { reportFolder, writeReportTables } from './report-table.ts';
import { checkNames, readArguments } from './usage.ts';

const usage = 'pnpm stress [--duration 10m] [--seed <seed>] [--ttl <duration>] [name …]';
const { values, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: { duration: { type: 'string', default: '10m' }, seed: { type: 'string' }, ttl: { type: 'string' } },
});
checkNames(
  usage,
  positionals,
  ownBackends.map(({ name }) => name),
);
const main = join(root, 'packages', 'holdfast', 'dist', 'cli', 'main.js');
const chosen = ownBackends.filter(({ name, stress }) =>
  positionals.length === 0 ? stress : positionals.includes(name),
);
mkdirSync(reportFolder, { recursive: true });
const codes = await Promise.all(chosen.map(run));
writeReportTables();
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;

/** Runs the command of everybody on one backend, and keeps what it said with its report. */
async function run({ name, title, start }: OwnBackend): Promise<number> {
  const { target, stop } = await start();
  try {
    const page = join(reportFolder, `stress-${name}.md`);
    const more = [...(values.seed ? ['--seed', values.seed] : []), ...(values.ttl ? ['--ttl', values.ttl] : [])];
    const args = ['conformance', target, '--stress', values.duration, ...more];
    // What was found wrong is for whoever is at this machine.
    const evidence = join(root, 'node_modules', '.cache', `holdfast-stress-${name}`);
    const reports = ['--out', evidence, '--markdown', page, '--json', join(reportFolder, `stress-${name}.json`)];
    const { code, output } = await command([main, ...args, ...reports], title);
    if (code === 0 || code === 1) writeFileSync(page, withOutput(readFileSync(page, 'utf8'), args, output));
    return code;
  } finally {
    await stop();
  }
}

function command(args: readonly string[], title: string): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    for (const line of text.trimEnd().split('\n')) console.log(`${title}: ${line}`);
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code: code ?? 1, output })));
}

/** The page with when and how it was made, and the output of the command but for its progress and the paths of this machine. */
function withOutput(page: string, args: readonly string[], output: string): string {
  const said = output.split('\n').filter((line) => !/^wrote | of .* holds, /.test(line));
  return [
    page.trimEnd(),
    '',
    `Run on ${new Date().toISOString().slice(0, 10)} by \`pnpm stress\`, with the other backends beside it on the same machine:`,
    '',
    '```console',
    `$ holdfast ${args.join(' ')}`,
    ...said.join('\n').trim().split('\n'),
    '```',
    '',
  ].join('\n');
}

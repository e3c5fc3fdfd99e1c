import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { readSteps, type Step } from './guide-steps.ts';
import { packagesIn, root } from './workspace.ts';

// Follows docs/writing-an-adapter.md as a reader would: from an empty folder, block by block.

const guide = join(root, 'docs', 'writing-an-adapter.md');
const folder = join(root, '.cache', 'guide');
const steps = readSteps(guide);
let output = '';

/** Stands in for the registry: what the manifest asks for is linked from this workspace, where it must be. */
function install(): void {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const ours = new Map(packagesIn('packages').map((entry) => [entry.manifest.name, entry.folder]));
  for (const name of Object.keys({ ...manifest.peerDependencies, ...manifest.devDependencies })) {
    const target = ours.get(name) ?? join(root, 'node_modules', name);
    expect(existsSync(target), `${name} can be had`).toBe(true);
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link, 'junction');
  }
}

/** Runs a command of the guide; `npx` finds the programs of this workspace. */
function run(command: string): Promise<{ code: number; output: string }> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|NODE_OPTIONS)/.test(name));
  const programs = [join(root, 'node_modules', '.bin'), join(root, 'packages', 'holdfast', 'node_modules', '.bin')];
  const env = {
    ...Object.fromEntries(inherited),
    PATH: [...programs, process.env.PATH].join(delimiter),
    // Patience for a busy machine.
    LOCK_CONFORMANCE_TIME_SCALE: '5',
  };
  const local = command
    .replace(/^npx holdfast\b/, `node ${join(root, 'packages/holdfast/dist/cli/main.js')}`)
    .replace(/^npx /, '');
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', local], { cwd: folder, env, timeout: 240_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, output: stripVTControlCharacters(`${stdout}${stderr}`) });
    });
  });
}

/** What failed comes first: a report may show the beginning of a long output alone. */
const saidBy = (output: string): string => {
  const reasons = output.indexOf('Failed Tests');
  return reasons === -1 ? output.slice(-4_000) : output.slice(reasons, reasons + 4_000);
};

async function follow(step: Step): Promise<void> {
  if (step.kind === 'file') {
    const path = join(folder, step.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, step.text);
  } else if (step.kind === 'change') {
    const path = join(folder, step.path);
    const [before, ...more] = readFileSync(path, 'utf8').split(step.before);
    expect(more.length, `times that ${step.path} has what line ${step.line} of the guide changes`).toBe(1);
    writeFileSync(path, [before, ...more].join(step.after));
  } else if (step.kind === 'command') {
    if (step.command === 'npm install') return install();
    const ended = await run(step.command);
    output = ended.output;
    expect(ended.code === 0, saidBy(output)).toBe(!step.fails);
    expect(ended.code, saidBy(output)).not.toBe(-1);
  } else if (step.kind === 'output') {
    for (const line of step.lines) expect(output).toContain(line);
  } else {
    expect(JSON.parse(readFileSync(join(folder, 'badge.json'), 'utf8'))).toMatchObject(step.part);
  }
}

const titleOf = (step: Step): string => {
  if (step.kind === 'file') return `writes ${step.path}`;
  if (step.kind === 'change') return `changes ${step.path}`;
  if (step.kind === 'command') return `${step.fails ? 'fails' : 'runs'}: ${step.command}`;
  return step.kind === 'output' ? `which says: ${step.lines[0]}` : 'and has made the badge';
};

describe('docs/writing-an-adapter.md', () => {
  beforeAll(() => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  });

  it('has a block of each kind', () => {
    expect(new Set(steps.map(({ kind }) => kind))).toEqual(new Set(['file', 'change', 'command', 'output', 'json']));
  });

  let stopped = false;
  for (const step of steps) {
    it(`line ${step.line}, ${step.heading}: ${titleOf(step)}`, { timeout: 300_000 }, async () => {
      // Each step needs those before it.
      expect(stopped, 'an earlier step failed').toBe(false);
      stopped = true;
      await follow(step);
      stopped = false;
    });
  }

  it('ends with types that are right in all of its files', { timeout: 120_000 }, async () => {
    const config = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8'));
    const compilerOptions = { ...config.compilerOptions, noEmit: true, rootDir: '.' };
    writeFileSync(join(folder, 'all.json'), JSON.stringify({ compilerOptions, include: ['src', 'test'] }));
    const all = await run('tsc -p all.json');
    expect(all.output).toBe('');
  });
});

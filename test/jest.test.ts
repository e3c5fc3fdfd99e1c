import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { npmInstall } from './npm-install.ts';
import { root } from './workspace.ts';

const execute = promisify(execFile);

// "Tests of your own code" of docs/recipes.md, followed in a project that has installed Jest and our packages.

const recipes = readFileSync(join(root, 'docs/recipes.md'), 'utf8');
const folder = join(root, '.cache/jest');
const wanted = ['jest@30.5.2', '@babel/core@8.0.7', '@babel/preset-env@8.0.7'];

const tests = `
import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks } from '@holdfast/lock-core';
import { manualClock } from '@holdfast/lock-core/testing';
import { jest } from '@jest/globals';

test('tasks exclude each other', async () => {
  const locks = createLocks(memoryAdapter());
  let value = 0;
  const increment = () => locks.using('counter', async () => {
    const before = value;
    await new Promise((resolve) => setImmediate(resolve));
    value = before + 1;
  });
  await Promise.all(Array.from({ length: 100 }, increment));
  expect(value).toBe(100);
});

test('fake timers neither end a lease nor hang a wait', async () => {
  jest.useFakeTimers();
  const locks = createLocks(memoryAdapter());
  const first = await locks.acquire('report');
  const next = locks.acquire('report', { waitMs: 20_000 });
  jest.advanceTimersByTime(60_000);
  expect(first.state).toBe('held');
  await first.release();
  expect((await next).state).toBe('held');
  jest.useRealTimers();
});

test('a manual clock ends a lease', async () => {
  const clock = manualClock();
  const locks = createLocks(memoryAdapter({ clock }), { clock });
  const lock = await locks.acquire('report', { ttlMs: 1_000, autoRenew: false });
  await clock.advance(1_001);
  expect(lock.state).toBe('lost');
});
`;

/** What the recipe has between two words, so that the test follows it. */
function quoted(pattern: RegExp): string {
  const found = pattern.exec(recipes)?.[1];
  if (found === undefined) throw new Error(`docs/recipes.md has nothing like ${pattern}`);
  return found;
}

async function run(project: string, manifest: object, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const cwd = join(folder, project);
  mkdirSync(cwd, { recursive: true });
  writeFileSync(join(cwd, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(cwd, 'locks.test.js'), tests);
  const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV|NODE_OPTIONS)/.test(name));
  const options = { cwd, env: { ...Object.fromEntries(inherited), ...env } };
  const jest = join(folder, 'node_modules/jest/bin/jest.js');
  const { stderr } = await execute(process.execPath, [jest, '--colors=false'], options);
  return stderr;
}

describe('our packages under Jest', { timeout: 120_000 }, () => {
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    // Once for a checkout. npm would remove what it did not install, so ours come after it.
    if (!existsSync(join(folder, 'node_modules/@babel/preset-env/package.json'))) await npmInstall(folder, wanted);
    for (const name of ['lock-core', 'adapter-memory']) {
      const installed = join(folder, 'node_modules/@holdfast', name);
      rmSync(installed, { recursive: true, force: true });
      for (const part of ['dist', 'package.json'])
        cpSync(join(root, 'packages', name, part), join(installed, part), { recursive: true });
    }
  }, 300_000);

  it('run as ES modules', async () => {
    const option = quoted(/`NODE_OPTIONS=(\S+) npx jest`/);
    const printed = await run('esm', { type: 'module', jest: { transform: {} } }, { NODE_OPTIONS: option });
    expect(printed).toContain('3 passed, 3 total');
  });

  it('run as CommonJS, compiled by Babel', async () => {
    const jest = JSON.parse(`{ ${quoted(/`("transformIgnorePatterns": .*)`/)} }`);
    const file = quoted(/`(babel\.config\.json)`/);
    mkdirSync(join(folder, 'cjs'), { recursive: true });
    writeFileSync(join(folder, 'cjs', file), '{ "presets": ["@babel/preset-env"] }');
    expect(await run('cjs', { type: 'commonjs', jest })).toContain('3 passed, 3 total');
  });
});

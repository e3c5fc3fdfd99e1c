import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root } from './workspace.ts';

const tools = [
  'packages/simulation/src/main.ts',
  ...['flake-check', 'mutants', 'outage', 'reports', 'stress'].map((name) => `scripts/${name}.ts`),
];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool of this repository as its script in package.json does. */
function run(tool: string, ...args: string[]): Promise<Ended> {
  const options = { cwd: root, timeout: 60_000, killSignal: 'SIGKILL' } as const;
  return promisify(execFile)(process.execPath, ['--import', 'tsx', join(root, tool), ...args], options).then(
    (said) => ({ code: 0, ...said }),
    ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
  );
}

describe.each(tools)('%s', { timeout: 120_000 }, (tool) => {
  it('answers --help with its usage, also behind the -- that pnpm passes on', async () => {
    const { code, stdout, stderr } = await run(tool, '--', '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: pnpm \w/);
  });

  it('names a wrong option, shows its usage, and does nothing', async () => {
    const { code, stdout, stderr } = await run(tool, '--nosuch');
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^Unknown option '--nosuch'\nUsage: pnpm /);
  });
});

it.each([
  ['packages/simulation/src/main.ts', '--backend=nosuch'],
  ['packages/simulation/src/main.ts', '--seconds=few'],
  ['scripts/stress.ts', 'nosuch'],
])('%s refuses %s, of which nothing would be run', { timeout: 60_000 }, async (tool, argument) => {
  expect(await run(tool, argument)).toMatchObject({ code: 64, stdout: '', stderr: expect.stringContaining('Usage: ') });
});

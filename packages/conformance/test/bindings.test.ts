import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cases } from '../src/index.ts';

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin', 'mocha.js');

const runners = [
  { runner: 'node:test', args: ['--test', '--test-reporter', 'tap', fixture('small.node-test.ts')] },
  { runner: 'mocha', args: [mocha, '--reporter', 'tap', fixture('small.mocha.ts')] },
];

interface Line {
  readonly ok: boolean;
  readonly text: string;
}

/** Runs a file of tests; what it says of each case, and its exit code. */
async function run(
  args: readonly string[],
  listed: string,
): Promise<{ lines: Map<string, Line>; code: number | null }> {
  // Or node:test would take itself for a part of this run.
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), ...args], {
    env: { ...env, LISTED: listed },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const lines = new Map<string, Line>();
  for (const [, not, id, text] of output.matchAll(/^ *(not )?ok \d+ [^\n]*?(LK-\d{4})([^\n]*)$/gm)) {
    lines.set(id!, { ok: not === undefined, text: text! });
  }
  return { lines, code };
}

describe.each(runners)('the binding for $runner', { timeout: 120_000 }, ({ args }) => {
  it.concurrent('runs every case; one that is known to fail and one that does not apply are skipped with their reason', async () => {
    const { lines, code } = await run(args, 'LK-0001');
    expect([...lines.keys()].sort()).toEqual(cases.map(({ id }) => id));
    expect([...lines].filter(([, { ok }]) => !ok)).toEqual([]);
    expect(lines.get('LK-0001')?.text).toMatch(/SKIP.*known failing: said to fail|known failing: said to fail.*SKIP/);
    expect(lines.get('LK-0059')?.text).toContain('the backend declares fencing: true');
    expect(code).toBe(0);
  });

  it.concurrent('fails for a case that fails, and for one that passes unexpectedly', async () => {
    const { lines, code } = await run(args, 'LK-0002');
    expect([...lines].filter(([, { ok }]) => !ok).map(([id]) => id)).toEqual(['LK-0001', 'LK-0002']);
    expect(code).not.toBe(0);
  });
});

import { fork } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TrialResult } from '../src/competitors-conformance/main.ts';
import { trials } from '../src/competitors-conformance/trials.ts';

let results: readonly TrialResult[];

// In another process: what a library rejects with nobody listening is its own affair.
beforeAll(async () => {
  const child = fork(new URL('../src/competitors-conformance/main.ts', import.meta.url), {
    execArgv: ['--import', 'tsx', '--no-warnings'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let output = '';
  child.stderr?.on('data', (data: Buffer) => {
    output = (output + data.toString()).slice(-2_000);
  });
  results = await new Promise((resolve, reject) => {
    child.once('message', (message: { results: readonly TrialResult[] }) => resolve(message.results));
    child.once('exit', (code, signal) => reject(new Error(`The trials ended early (${signal ?? code}): ${output}`)));
  });
  // Its servers are stopped by now.
  child.kill('SIGKILL');
}, 300_000);

describe('the suite finds the known faults of published libraries, on real servers', () => {
  it.each(trials.map((trial, i) => ({ ...trial, i })))('$name', ({ i, faults, unhandled, only }) => {
    const { failed, passed, unhandled: rejected } = results[i]!;
    expect(Object.keys(failed)).toEqual(expect.arrayContaining(Object.keys(faults)));
    if (unhandled !== undefined) expect(rejected).not.toEqual([]);
    // Most of the contract is kept: the wrapper works.
    if (!only) expect(passed).toBeGreaterThan(80);
  });
});

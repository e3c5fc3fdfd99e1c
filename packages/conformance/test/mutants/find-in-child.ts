import { fork } from 'node:child_process';
import type { Findings } from './findings.ts';

/** Runs the suite on every mutant (`whole`: each case of it), in another process; rejects when that process fails. */
export function findInChild(
  whole: boolean,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<Findings> {
  const child = fork(new URL('./child.ts', import.meta.url), whole ? ['--whole'] : [], {
    execArgv: ['--import', 'tsx', '--no-warnings'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let output = '';
  child.stderr?.on('data', (data: Buffer) => {
    output = (output + data.toString()).slice(-2_000);
  });
  return new Promise((resolve, reject) => {
    child.on('message', (message: { findings: Findings } | { done: number; of: number }) => {
      if ('findings' in message) resolve(message.findings);
      else onProgress(message.done, message.of);
    });
    child.once('exit', (code, signal) => {
      reject(new Error(`The run of the mutants ended early (${signal ?? `code ${code}`}): ${output}`));
    });
  });
}

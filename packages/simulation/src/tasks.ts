import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Found } from './regressions/find.ts';
import type { BackendName } from './schedule/types.ts';
import type { CampaignResult } from './search.ts';

/** What a process of its own is to do: an endless loop in the code that it simulates must not stop the one that started it. */
export type Task =
  | {
      readonly kind: 'campaign';
      readonly backend: BackendName;
      /** The first part of each seed, or with `isOne` the only seed. */
      readonly seed: string;
      readonly isOne: boolean;
      readonly seconds: number;
      readonly shrinkMs: number;
      /** Goes on after a failure. */
      readonly keep: boolean;
    }
  | { readonly kind: 'regression'; readonly name: string; readonly seconds: number }
  | { readonly kind: 'fingerprints'; readonly backend: BackendName; readonly seeds: readonly string[] };

/** What it tells, in this order. */
export type Told =
  /** About to simulate this seed. */
  | { readonly kind: 'seed'; readonly backend: BackendName; readonly seed: string }
  | { readonly kind: 'result'; readonly result: CampaignResult }
  | { readonly kind: 'found'; readonly found: Found | undefined }
  | { readonly kind: 'fingerprints'; readonly fingerprints: Readonly<Record<string, string>> }
  | { readonly kind: 'failed'; readonly message: string };

/** A simulation that did not come to its end. */
export interface Hang {
  readonly backend: BackendName;
  readonly seed: string;
}

const script = fileURLToPath(new URL('./child.ts', import.meta.url));
// A simulation takes some ms of processor time; a schedule with an outage of hours takes a second.
const longestSeconds = Number(process.env.SIMULATION_HANG_SECONDS ?? 15);

/** The processor time that a process has had; where the system does not tell, how long it has been there, less the others' share. */
function secondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return performance.now() / 4_000;
  }
}

/** Has a process of its own do the task; gives the seed on which it stood still, if it did, for this much processor time. */
export function runTask(
  task: Task,
  onTold: (told: Told) => void,
  standsStillSeconds: number = longestSeconds,
): Promise<Hang | undefined> {
  return new Promise((resolve, reject) => {
    const child = fork(script, {
      execArgv: ['--max-semi-space-size=64', '--import', 'tsx'],
      serialization: 'advanced',
    });
    const pid = child.pid ?? 0;
    let last: Hang | undefined;
    let hang: Hang | undefined;
    let seen: Hang | undefined;
    let since = 0;
    const timer = setInterval(() => {
      if (last === undefined) return;
      const seconds = secondsOf(pid);
      if (last !== seen) [seen, since] = [last, seconds];
      if (seconds - since < standsStillSeconds) return;
      hang = last;
      child.kill('SIGKILL');
    }, 500);
    child.on('message', (told: Told) => {
      if (told.kind === 'seed') last = { backend: told.backend, seed: told.seed };
      else onTold(told);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearInterval(timer);
      if (hang !== undefined || code === 0) resolve(hang);
      else
        reject(new Error(`The process that simulates ended with ${signal ?? code}, at seed ${last?.seed ?? 'none'}.`));
    });
    child.send(task);
  });
}

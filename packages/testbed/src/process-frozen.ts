import { readdirSync, readFileSync } from 'node:fs';

/**
 * Waits until no thread of a process that was sent SIGSTOP runs any more. The kernel tells the threads one after the
 * other: on a busy machine those of Java and Go went on to answer for up to 34 ms. Blocks, so that nothing of ours happens
 * between the order and its effect. Where there is no /proc it returns at once.
 */
export function waitUntilStopped(pid: number): void {
  const giveUpAt = performance.now() + 30_000;
  while (!threadStates(pid).every((state) => 'TZX'.includes(state))) {
    if (performance.now() > giveUpAt) throw new Error(`process ${pid} does not stop: waited 30 s after SIGSTOP`);
    Atomics.wait(pause, 0, 0, 0.2);
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/** How each thread of a process stands, by the kernel's letters; empty where there is no /proc, and when it has ended. */
export function threadStates(pid: number): string[] {
  const threads = `/proc/${pid}/task`;
  let names: string[];
  try {
    names = readdirSync(threads);
  } catch {
    return []; // it has ended
  }
  return names.map((name) => stateOf(`${threads}/${name}/stat`));
}

/** The letter after the name, which may itself have brackets: T is stopped, Z and X have ended. */
function stateOf(stat: string): string {
  try {
    return /.*\) (\S)/s.exec(readFileSync(stat, 'latin1'))![1]!;
  } catch {
    return 'X'; // it ended between the two looks
  }
}

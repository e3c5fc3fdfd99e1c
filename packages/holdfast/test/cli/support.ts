import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { builtMain } from './built.ts';

/** What starts `holdfast`, for a shell line. */
export const holdfastWords: readonly string[] = [process.execPath, builtMain()];

export interface Ended {
  /** 128 + n for signal n, as a shell says it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `holdfast` in a process of its own. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stdout holds the text; rejects when it ends without, or after 60 s. */
  printed(text: string): Promise<void>;
  readonly stdout: string;
}

/** Starts `holdfast` with nothing at its stdin, unless there is a pipe, and no colours. */
export function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  stdin: 'ignore' | 'pipe' = 'ignore',
): Running {
  const [file, ...words] = holdfastWords;
  const { LOCK_URL: _, ...inherited } = process.env;
  const child = spawn(file!, [...words, ...args], {
    stdio: [stdin, 'pipe', 'pipe'],
    env: { ...inherited, NO_COLOR: '1', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 143), stdout, stderr });
    });
  });
  return {
    child,
    ended,
    get stdout() {
      return stdout;
    },
    printed: (text) =>
      until(`stdout has "${text}"; stderr: ${stderr}`, () => {
        if (stdout.includes(text)) return true;
        if (child.exitCode !== null)
          throw new Error(`ended with ${child.exitCode} without "${text}": ${stdout}${stderr}`);
        return false;
      }),
  };
}

/** Runs `holdfast` to its end. */
export function holdfast(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return start(args, env).ended;
}

/** Polls until something is so; the bound is for a loaded machine and proves nothing. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs: number = 60_000,
): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
}

/** Whether a process runs; one that has ended and was not collected yet does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

/** A folder that goes at the end of the block. */
export function temporaryFolder(): Disposable & { readonly path: string; file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

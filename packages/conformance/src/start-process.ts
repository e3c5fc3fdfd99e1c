import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { LocksOptions } from '@holdfast/lock-core';
import type { ProcessClient } from './harness.ts';
import { type Offers, openChannel } from './processes/channel.ts';
import type { Contest, ContestResult, Look, RemoteGrant } from './processes/messages.ts';

// In this folder, because a build puts what is shared between its entries there.
const here = import.meta.url;
const program = new URL(here.endsWith('.ts') ? './processes/child.ts' : './processes/child.js', here);

/** Another process, with a client of its own under lock-core. */
export interface LockProcess {
  /** Makes its client. */
  open(client: ProcessClient, options: LocksOptions): Promise<void>;
  /** Resolves once its connection works. */
  warmUp(key: string, ttlMs: number): Promise<void>;
  /** Has it take a lock, which it then holds, renewing it. */
  acquire(key: string, ttlMs: number): Promise<RemoteGrant>;
  /** Has it wait for a lock; does not wait for that itself. */
  wait(key: string, ttlMs: number): Promise<void>;
  /** Resolves when it holds the lock that it waits for. */
  granted(key: string): Promise<RemoteGrant>;
  /** Resolves when it answers. */
  ping(): Promise<void>;
  /** What it believes of that lock. */
  look(): Promise<Look>;
  /** Has it write to the suite's register under its fencing token, without a look at the lock; whether the register accepted that. */
  write(value: number): Promise<boolean>;
  release(): Promise<'released' | 'lost'>;
  contend(contest: Contest): Promise<ContestResult>;
  /** Stops it in its tracks; SIGSTOP. */
  pause(): void;
  /** Lets it go on; SIGCONT. */
  resume(): void;
  /** SIGKILL, also of one that is paused; resolves when it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts a process. `ready` resolves once it can be told what to do; all calls reject when it ends, with the end of its output.
 *
 * @param execArgv arguments of Node; default those of this process
 * @param offers what it may call here
 */
export function startProcess(
  execArgv: readonly string[] | undefined,
  offers: Offers,
): { process: LockProcess; ready: Promise<void> } {
  const child = fork(program, {
    execArgv: [...(execArgv ?? process.execArgv)],
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const output = tailOf(child);
  let isReady = (): void => {};
  let isDead = (_error: Error): void => {};
  const ready = new Promise<void>((resolve, reject) => {
    isReady = resolve;
    isDead = reject;
  });
  ready.catch(() => {}); // a case that failed before does not wait for it
  const { call, fail } = openChannel(child, { ...offers, ready: () => isReady() });
  const ended = (error: Error): void => {
    fail(error);
    isDead(error);
  };
  child.once('error', ended);
  child.once('exit', (code, signal) => {
    ended(new Error(`the other process ended (${signal ?? `code ${code}`}). ${output()}`));
  });
  const told = <T>(name: string, ...args: unknown[]): Promise<T> => call(name, ...args) as Promise<T>;
  return {
    ready,
    process: {
      open: ({ module, options }, locksOptions) => told('open', String(module), options, locksOptions),
      warmUp: (key, ttlMs) => told('warmUp', key, ttlMs),
      acquire: (key, ttlMs) => told('acquire', key, ttlMs),
      wait: (key, ttlMs) => told('wait', key, ttlMs),
      granted: (key) => told('granted', key),
      ping: () => told('ping'),
      look: () => told('look'),
      write: (value) => told('write', value),
      release: () => told('release'),
      contend: (contest) => told('contend', contest),
      pause: () => void child.kill('SIGSTOP'),
      resume: () => void child.kill('SIGCONT'),
      async kill() {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      },
    },
  };
}

/** The end of what a process has printed: without it nobody knows why it did not start. */
function tailOf(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => {
      text = (text + data.toString()).slice(-2_000);
    });
  }
  return () => (text === '' ? 'It printed nothing.' : `Its output ends with:\n${text}`);
}

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openChannel } from '../processes/channel.ts';
import type { Orphan, WorkerPlan } from './messages.ts';

const here = import.meta.url;
const program = new URL(here.endsWith('.ts') ? './worker.ts' : './worker.js', here);

/** A process of a stress run. */
export interface Worker {
  readonly label: string;
  /** Rejects when it ends before its clients are open. */
  readonly ready: Promise<void>;
  /** Resolves when it is gone. */
  readonly gone: Promise<void>;
  readonly alive: boolean;
  /** Whether it is stopped in its tracks. */
  readonly paused: boolean;
  /** Holds so far. */
  readonly holds: number;
  /** SIGSTOP. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL, also of one that is paused. */
  kill(): void;
  /** Has it end its work and close its clients; resolves when it has. */
  stop(): Promise<void>;
  /** Has it take each key once; to be called after `stop`. */
  claim(withinMs: number): Promise<Orphan[]>;
}

/** What a worker tells. */
export interface WorkerEvents {
  /** One write to the guarded resource; whether it accepts it. */
  write(key: string, fence: bigint): boolean;
  /** Something that must not happen in a process with locks. */
  trouble(what: string): void;
}

/** Forks a worker. One that ends without being told to is trouble. */
export function startWorker(plan: WorkerPlan, events: WorkerEvents, execArgv: readonly string[]): Worker {
  const child = fork(program, [JSON.stringify(plan)], {
    execArgv: [...execArgv],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const output = tailOf(child);
  let [holds, paused, expected] = [0, false, false];
  let becomeReady = (): void => {};
  const isReady = new Promise<void>((resolve) => {
    becomeReady = resolve;
  });
  const { call, fail } = openChannel(child, {
    ...events,
    ready: () => becomeReady(),
    progress: (sofar: number) => {
      holds = sofar;
    },
  });
  const gone = once(child, 'exit').then(([code, signal]) => {
    const how = `the process ${plan.label} ended by itself (${signal ?? `code ${code}`}). ${output()}`;
    fail(new Error(how));
    if (!expected) events.trouble(how);
    return how;
  });
  const ready = Promise.race([isReady, gone.then((how) => Promise.reject(new Error(how)))]);
  ready.catch(() => {});
  return {
    label: plan.label,
    ready,
    gone: gone.then(() => {}),
    get alive() {
      return child.exitCode === null && child.signalCode === null;
    },
    get paused() {
      return paused;
    },
    get holds() {
      return holds;
    },
    pause() {
      paused = child.kill('SIGSTOP');
    },
    resume() {
      paused = false;
      child.kill('SIGCONT');
    },
    kill() {
      expected = true;
      child.kill('SIGKILL');
    },
    stop: () => call('stop') as Promise<void>,
    claim: (withinMs) => call('claim', withinMs) as Promise<Orphan[]>,
  };
}

/** The end of what a process wrote to stderr. */
function tailOf(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.on('data', (data: Buffer) => {
    text = (text + data.toString()).slice(-2_000);
  });
  return () => (text === '' ? 'It said nothing.' : `It said:\n${text}`);
}

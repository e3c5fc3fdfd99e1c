import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import { exitCodes } from '../exit-codes.ts';

/** The command that runs under the lock. */
export interface Child {
  /** `undefined` if it did not start. */
  readonly pid: number | undefined;
  /** Whether it leads a process group of its own. */
  readonly ownGroup: boolean;
  /** How it ended. Never rejects. */
  readonly ended: Promise<ChildEnd>;
}

/** How a command ended. */
export interface ChildEnd {
  /** As in a shell: 128 + n for signal n, 127 if there is no such command, 126 if it cannot be executed. */
  readonly exitCode: number;
  /** Why it did not start. */
  readonly problem?: string;
}

/** The signals that are passed on. Without a listener, SIGUSR1 would start Node's debugger. SIGSTOP and SIGKILL cannot be caught. */
const forwarded: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/** What a terminal sends to its whole foreground process group when a key is pressed. */
const fromKeyboard: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/**
 * Starts a command with our stdin, stdout and stderr, and passes signals on to it.
 *
 * Without a terminal (cron, systemd, CI), it gets its own process group, and signals go to the whole group. At a terminal, it stays in
 * ours, because it could not read the keyboard otherwise. Ctrl-C then reaches it directly. If we passed it on as well, it would count
 * twice, which many programs take as a request to end without cleaning up.
 */
export function startChild(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Child {
  const atTerminal = [0, 1, 2].some((fd) => isatty(fd));
  let target: number | undefined;
  const pass = (name: NodeJS.Signals): void => {
    if (target !== undefined && !(atTerminal && fromKeyboard.has(name))) send(target, name);
  };
  // Before the command starts: a signal in between would end this process and leave the command behind.
  for (const name of forwarded) process.on(name, pass);
  let pid: number | undefined;
  const ended = new Promise<ChildEnd>((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env, detached: !atTerminal });
    pid = child.pid;
    if (pid !== undefined) target = atTerminal ? pid : -pid;
    child.once('error', reject);
    child.once('exit', (code, name) => resolve({ exitCode: code ?? exitCodes.signal + constants.signals[name!] }));
  })
    // Node reports some reasons by an event, and throws others.
    .catch((error: NodeJS.ErrnoException) => notStarted(command, error))
    .finally(() => {
      for (const name of forwarded) process.off(name, pass);
    });
  return { pid, ownGroup: !atTerminal, ended };
}

function send(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function notStarted(command: string, error: NodeJS.ErrnoException): ChildEnd {
  if (command === '') return { exitCode: exitCodes.notFound, problem: 'the command is empty' };
  const name = command.length > 100 ? `${command.slice(0, 100)}…` : command;
  if (error.code === 'ENOENT') return { exitCode: exitCodes.notFound, problem: `command not found: ${name}` };
  if (error.code === 'E2BIG') {
    const problem = `${name} cannot be executed: its arguments and its environment, keys and tokens included, are too long (E2BIG)`;
    return { exitCode: exitCodes.notExecutable, problem };
  }
  return { exitCode: exitCodes.notExecutable, problem: `${name} cannot be executed (${error.code})` };
}

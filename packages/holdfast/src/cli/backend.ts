import type { Locks } from '@holdfast/lock-core';
import { type Command, Option } from 'commander';
import { type OpenLocksOptions, openLocks } from '../open-locks.ts';
import { Failure } from './failure.ts';

/** The options that every command with a backend has. */
export interface BackendOptions {
  readonly url?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Adds `--url` (or LOCK_URL) and `--json`. */
export function withBackend(command: Command): Command {
  return command.addOption(urlOption()).addOption(new Option('--json', 'print JSON, for programs'));
}

/** `--url`, or the environment variable LOCK_URL. */
export function urlOption(): Option {
  return new Option('-u, --url <url>', 'the backend, such as redis://127.0.0.1:6379').env('LOCK_URL');
}

/** How long to keep trying an unreachable backend; short, because a person is waiting. `?backendTimeout=` in the URL takes precedence. */
const backendTimeoutMs = 4_000;

/** Opens the backend of a command. `memory:` is refused: it does not contain what other processes hold. */
export function openBackend({ url }: BackendOptions, options: OpenLocksOptions = {}): Promise<Locks> {
  return openLocks(requireUrl(url), { backendTimeoutMs, require: { crossProcess: true }, ...options });
}

/** The lock URL of a command. @throws Failure when there is none, with an example. */
export function requireUrl(url: string | undefined, example = 'redis://127.0.0.1:6379'): string {
  if (url !== undefined && url !== '') return url;
  throw new Failure(`Which backend? Give --url, or set LOCK_URL, such as LOCK_URL=${example}.`);
}

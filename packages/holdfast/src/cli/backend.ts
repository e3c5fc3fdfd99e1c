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
  return command
    .addOption(new Option('-u, --url <url>', 'the backend, such as redis://127.0.0.1:6379').env('LOCK_URL'))
    .addOption(jsonOption());
}

/** `--json`, for commands without a backend. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON, for programs');
}

/** How long an unreachable backend is tried; a person waits at the other end. `?backendTimeout=` in the URL goes before it. */
const backendTimeoutMs = 4_000;

/** Opens the backend of a command. `memory:` is refused: what another process holds is not in it. */
export function openBackend({ url }: BackendOptions, options: OpenLocksOptions = {}): Promise<Locks> {
  return openLocks(requireUrl(url), { backendTimeoutMs, require: { crossProcess: true }, ...options });
}

/** The lock URL of a command. @throws Failure when there is none. */
export function requireUrl(url: string | undefined): string {
  if (url !== undefined && url !== '') return url;
  throw new Failure('Which backend? Give --url, or set LOCK_URL, such as LOCK_URL=redis://127.0.0.1:6379.');
}

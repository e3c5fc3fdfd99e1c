import { isLockError, type LockErrorCode } from '@holdfast/lock-core';
import { CommanderError } from 'commander';
import { exitCodes } from './exit-codes.ts';
import { note, noteJson, shown, styledNote } from './output.ts';
import { Interrupted } from './run/signals.ts';

/** An error of the command line itself, which needs no stack. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}

const exitCodeOf: Readonly<Partial<Record<LockErrorCode | 'LOCK_RELEASED', number>>> = {
  LOCK_TIMEOUT: exitCodes.busy,
  LOCK_LOST: exitCodes.lost,
  LOCK_BACKEND: exitCodes.unavailable,
  LOCK_INVALID_ARGUMENT: exitCodes.usage,
  LOCK_UNSUPPORTED: exitCodes.unsupported,
  LOCK_SELF_DEADLOCK: exitCodes.internal,
  LOCK_CLOSED: exitCodes.internal,
  LOCK_RELEASED: exitCodes.internal,
  LOCK_FOREIGN_KEY: exitCodes.foreignKey,
};

/** Prints what went wrong on one line, as JSON if requested, and returns the exit code. */
export function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return reportUsage(error, json);
  if (isLockError(error)) return say(error.message, exitCodeOf[error.code] ?? exitCodes.internal, json, error.code);
  if (error instanceof Interrupted) return error.exitCode;
  if (error instanceof Failure) return say(error.message, error.exitCode, json);
  // A bug: a report needs the stack.
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (json) return say(text, exitCodes.internal, json);
  note(text);
  return exitCodes.internal;
}

/** Commander has printed the help or, without `--json`, its own message. */
function reportUsage({ exitCode, code, message }: CommanderError, json: boolean): number {
  if (exitCode === 0) return exitCodes.ok;
  if (json) {
    const text = code === 'commander.help' ? 'A command is missing: holdfast --help lists them.' : message;
    say(text.replace(/^error: /, '').replace(/\s+/g, ' '), exitCodes.usage, json);
  }
  return exitCodes.usage;
}

function say(message: string, exitCode: number, json: boolean, code?: LockErrorCode): number {
  if (json) noteJson({ error: { code, message, exitCode } });
  else note(`${styledNote('red', 'holdfast:')} ${shown(message)}`);
  return exitCode;
}

import { isLockError, type LockErrorCode } from '@holdfast/lock-core';
import { CommanderError } from 'commander';
import { exitCodes } from './exit-codes.ts';
import { note, noteJson, shown, styledNote } from './output.ts';

/** A failure of the command line's own, which needs no stack. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.usage) {
    super(message);
    this.exitCode = exitCode;
  }
}

const exitCodeOf: Readonly<Record<LockErrorCode, number>> = {
  LOCK_TIMEOUT: exitCodes.busy,
  LOCK_LOST: exitCodes.lost,
  LOCK_BACKEND: exitCodes.unavailable,
  LOCK_INVALID_ARGUMENT: exitCodes.usage,
  LOCK_UNSUPPORTED: exitCodes.unsupported,
  LOCK_SELF_DEADLOCK: exitCodes.internal,
  LOCK_CLOSED: exitCodes.internal,
  LOCK_FOREIGN_KEY: exitCodes.foreignKey,
};

/** Says in one line what went wrong, as JSON where that was asked for, and gives the exit code. */
export function report(error: unknown, json: boolean): number {
  // commander has printed its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (isLockError(error)) return say(error.message, exitCodeOf[error.code], json, error.code);
  if (error instanceof Failure) return say(error.message, error.exitCode, json);
  // A bug of ours: whoever reports it needs the stack.
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (json) return say(text, exitCodes.internal, json);
  note(text);
  return exitCodes.internal;
}

function say(message: string, exitCode: number, json: boolean, code?: LockErrorCode): number {
  if (json) noteJson({ error: { code, message, exitCode } });
  else note(`${styledNote('red', 'holdfast:')} ${shown(message)}`);
  return exitCode;
}

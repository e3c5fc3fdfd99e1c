import { constants } from 'node:os';
import { exitCodes } from '../exit-codes.ts';

const ending: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** The reason for giving up: a terminating signal. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(name: NodeJS.Signals) {
    super(`ended by ${name}`);
    this.exitCode = exitCodes.signal + constants.signals[name];
  }
}

/**
 * From now on, a signal does not kill this process: a lock that is held, or may be granted at any moment, is released first. Code that
 * has something to stop adds its own listener.
 */
export function outliveSignals(): void {
  for (const name of ending) process.on(name, () => {});
}

/** Runs something that a terminating signal aborts, with `Interrupted` as the reason. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const listener = (name: NodeJS.Signals): void => abort.abort(new Interrupted(name));
  for (const name of ending) process.on(name, listener);
  try {
    return await run(abort.signal);
  } finally {
    for (const name of ending) process.off(name, listener);
  }
}

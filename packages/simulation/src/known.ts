import type { Outcome } from './run/outcome.ts';
import type { Schedule } from './schedule/types.ts';

/** A fault that the simulator found and that is still there: shown, but no reason to fail. */
interface KnownFault {
  readonly what: string;
  matches(outcome: Outcome, schedule: Schedule): boolean;
}

export const knownFaults: readonly KnownFault[] = [];

/** Which known fault an outcome shows, if it does. */
export const knownFault = (outcome: Outcome, schedule: Schedule): string | undefined =>
  knownFaults.find((fault) => fault.matches(outcome, schedule))?.what;

import { createHash } from 'node:crypto';
import type { Failure } from './held.ts';

/** One line of a timeline. */
export interface Note {
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

/** How a simulation went. */
export interface Outcome {
  readonly failures: readonly Failure[];
  readonly notes: readonly Note[];
  /** Equal for two runs of the same seed over the same code. */
  readonly fingerprint: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly grants: number;
}

/** Equal for two runs that were told in the same way. */
export function fingerprint(notes: readonly Note[]): string {
  const text = notes.map(({ at, who, what }) => `${at} ${who} ${what}`).join('\n');
  return createHash('sha1').update(text).digest('hex').slice(0, 12);
}

import { LockError } from '@holdfast/lock-core';
import type { Failure } from './protocol/acquire.ts';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What to tell when a majority could not be asked: retryable, and the outcome is unknown. */
export function noMajority(
  what: string,
  key: string,
  nodes: { readonly count: number; readonly majority: number },
  errors: readonly unknown[],
): LockError {
  // The clients' words, not their errors, which may carry commands.
  const reasons = [...new Set(errors.filter((error) => error !== undefined).map(messageOf))].slice(0, 3);
  const because = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  return new LockError(
    'LOCK_BACKEND',
    `Too few of the ${nodes.count} Redlock nodes answered to ${what}: ${nodes.majority} have to${because}. ` +
      'The outcome is unknown. Check that the Redis servers are up and reachable.',
    { key },
  );
}

/** Why an acquisition has no outcome, as an error. */
export function failedAcquire(
  why: Failure,
  key: string,
  nodes: { readonly count: number; readonly majority: number },
): LockError {
  if (why.kind === 'unreachable') return noMajority('grant the lock', key, nodes, why.errors);
  return new LockError('LOCK_BACKEND', 'The lock was released while it was being acquired.', { key });
}

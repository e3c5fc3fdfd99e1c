import { type Claim, LockError } from '@holdfast/lock-core';

/** An exclusive hold takes all of these units, and a shared hold takes one of them. */
const whole = String(2n ** 62n);

/** What a claim takes of how many units. */
export interface Units {
  readonly wanted: string;
  readonly all: string;
}

const exclusive: Units = { wanted: whole, all: whole };
const shared: Units = { wanted: '1', all: whole };

/** The claim in units, so that one rule serves all claims: the sum of the holds stays within the limit. */
export function unitsOf(claim: Claim | undefined): Units {
  if (claim === undefined || claim.mode === 'exclusive') return exclusive;
  if (claim.mode === 'shared') return shared;
  return { wanted: String(claim.permits), all: String(claim.limit) };
}

/** Whether a claim is that of an exclusive hold. */
export const isExclusive = ({ wanted }: Units): boolean => wanted === whole;

/** The mode of a hold of so many units of a key with so many. */
export function modeOf(wanted: string, all: string): Claim['mode'] {
  if (all !== whole) return 'permits';
  return wanted === whole ? 'exclusive' : 'shared';
}

const usedAs = (units: string): string => (units === whole ? 'a lock' : `a semaphore with the limit ${units}`);

/** The error for a claim that does not fit the current use of the key. */
export function mismatch(key: string, asked: Units, present: string): LockError {
  const name = JSON.stringify(key);
  return new LockError(
    'LOCK_INVALID_ARGUMENT',
    `${name} is in use as ${usedAs(present)}, and was asked for as ${usedAs(asked.all)}: use one limit for a key everywhere`,
    { key, retryable: false },
  );
}

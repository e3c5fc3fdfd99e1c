import { type Claim, LockError } from '@holdfast/lock-core';

/** A claim in the words of the scripts: x, s or p; the permits; the limit. */
export type ClaimWords = readonly [claim: 'x' | 's' | 'p', permits: string, limit: string];

const exclusive: ClaimWords = ['x', '1', '0'];
const shared: ClaimWords = ['s', '1', '0'];

/** A claim as the arguments of the scripts; `undefined` means exclusive. */
export function claimWords(claim: Claim | undefined): ClaimWords {
  if (claim === undefined || claim.mode === 'exclusive') return exclusive;
  return claim.mode === 'shared' ? shared : ['p', String(claim.permits), String(claim.limit)];
}

/** Whether a key may have several holders with this claim. */
export const isAmongOthers = (claim: Claim | undefined): boolean => claim !== undefined && claim.mode !== 'exclusive';

/** The key is in use in another way: as the other kind, or with another limit. */
export function otherUse(claim: Claim | undefined, limit: string | undefined, name: string, client: string): LockError {
  const isPermits = claim?.mode === 'permits';
  const wanted = isPermits ? `permits with the limit ${claim.limit}` : `${claim?.mode ?? 'exclusive'} locks`;
  const used =
    limit !== undefined ? `permits with the limit ${limit}` : isPermits ? 'exclusive or shared locks' : 'permits';
  return new LockError(
    'LOCK_INVALID_ARGUMENT',
    `The key ${JSON.stringify(name)} on Redis (${client}) is in use for ${used}, and was asked for ${wanted}. ` +
      'Use one limit, and one kind of lock, for a key.',
    { key: name, retryable: false },
  );
}

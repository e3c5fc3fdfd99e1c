import type { Claim } from '@holdfast/lock-core';
import type { Context } from '../context.ts';
import { exclusive, permits, shared } from './claim-holds.ts';

/** Of the semaphores here: no round number, and no power of two. */
const LIMIT = 7;

/** A claim of each kind that the backend takes, small enough for several owners to hold it. */
export function claimsOf({ harness }: Context): readonly Claim[] {
  const { capabilities } = harness;
  return [exclusive, ...(capabilities.shared ? [shared] : []), ...(capabilities.permits ? [permits(2, LIMIT)] : [])];
}

/** Those of them that several owners may hold at a time. */
export const sharedClaimsOf = (context: Context): readonly Claim[] =>
  claimsOf(context).filter(({ mode }) => mode !== 'exclusive');

/** A claim that is not compatible with a holder of this one. */
export const wholeOf = (claim: Claim): Claim =>
  claim.mode === 'permits' ? permits(claim.limit, claim.limit) : exclusive;

import { type Claim, LockError } from '@holdfast/lock-core';

/**
 * What a contender asks for stands in its name, so a list of the contenders has the claims of all, as of one moment, and no node has
 * to be read. Nodes of version 0.1.0 and of other programs count as exclusive.
 */
export function kindOf(claim: Claim): string {
  if (claim.mode === 'permits') return `${claim.permits}of${claim.limit}`;
  return claim.mode === 'shared' ? 'shared' : 'lock';
}

const exclusive: Claim = { mode: 'exclusive' };
const shared: Claim = { mode: 'shared' };
const kinds = /^_c_.*-(?:(shared)|(\d+)of(\d+))-(?:-\d{9,10}|\d{10})$/;

/** The claim in the name of a contender's node. A holder that was downgraded keeps its name; its data then say `downgraded`. */
export function claimOf(child: string): Claim {
  const [match, isShared, permits, limit] = kinds.exec(child) ?? [];
  if (match === undefined) return exclusive;
  return isShared ? shared : { mode: 'permits', permits: Number(permits), limit: Number(limit) };
}

/** The data of a node whose owner has turned its exclusive hold into a shared one. */
export const downgraded: Buffer = Buffer.from('shared');

/** Exclusive and shared are one way to use a key, and each limit of permits is another. */
export const limitOf = (claim: Claim): number | undefined => (claim.mode === 'permits' ? claim.limit : undefined);

/** Refuses a claim that does not fit the way in which the key is used. */
export function assertSameUse(key: string, asked: Claim, found: Claim): void {
  if (limitOf(asked) === limitOf(found)) return;
  throw new LockError(
    'LOCK_INVALID_ARGUMENT',
    `lock ${JSON.stringify(key)} on ZooKeeper is in use ${use(found)}, and cannot be used ${use(asked)} at the same time: ` +
      'use a key in one way, with one limit, everywhere',
    { key, retryable: false },
  );
}

function use(claim: Claim): string {
  if (claim.mode === 'permits') return `as a semaphore with a limit of ${claim.limit}`;
  return `as a lock (${claim.mode})`;
}

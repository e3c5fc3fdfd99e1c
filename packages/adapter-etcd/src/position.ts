import type { Claim } from '@holdfast/lock-core';
import type { IKeyValue } from 'etcd3';
import { claimOf, limitOf } from './claim.ts';

/**
 * Keys of which at least one must go before a claim behind them can be granted; empty if it is granted now. They are as near to the claim
 * as possible: near keys go late, so the waiter is woken as rarely as possible.
 * @param ahead The newest first; for an exclusive claim, one is enough.
 */
export function blockersIn(ahead: readonly IKeyValue[], claim: Claim): IKeyValue[] {
  if (claim.mode === 'exclusive') return ahead.slice(0, 1);
  if (claim.mode === 'permits') return permitBlockersIn(ahead, claim);
  const nearest = ahead.find((key) => claimOf(key).mode !== 'shared');
  return nearest === undefined ? [] : [nearest];
}

/** A claim is granted when its permits fit beside those of all keys ahead. The nearest keys that leave no room are enough to watch. */
function permitBlockersIn(ahead: readonly IKeyValue[], claim: Claim & { mode: 'permits' }): IKeyValue[] {
  let sum = claim.permits;
  for (const [i, key] of ahead.entries()) {
    const other = claimOf(key);
    // Another kind of claim, or another limit, is not compatible with this one, whatever the sum.
    if (other.mode !== 'permits' || other.limit !== claim.limit) return [key];
    sum += other.permits;
    if (sum > claim.limit) return ahead.slice(0, i + 1);
  }
  return [];
}

/** The keys that hold the lock, given all its keys with the oldest first. */
export function holdersIn(keys: readonly IKeyValue[]): IKeyValue[] {
  const [first] = keys;
  if (first === undefined) return [];
  const claim = claimOf(first);
  if (claim.mode === 'exclusive') return [first];
  let sum = 0;
  const next = keys.findIndex((key, i) => {
    const other = claimOf(key);
    sum += other.mode === 'permits' ? other.permits : 0;
    if (i === 0) return false;
    return claim.mode === 'permits' ? limitOf(other) !== claim.limit || sum > claim.limit : other.mode !== 'shared';
  });
  return next < 0 ? [...keys] : keys.slice(0, next);
}

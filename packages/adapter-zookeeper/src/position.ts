import type { Claim } from '@holdfast/lock-core';
import { claimOf, limitOf } from './claim.ts';
import { compareContenders, type Numbered } from './names.ts';

/** The one that is nearest to the end of the queue. */
function nearestIn(contenders: readonly Numbered[], counts: (child: string) => boolean): Numbered | undefined {
  let nearest: Numbered | undefined;
  for (const each of contenders) {
    if ((nearest === undefined || compareContenders(nearest, each) < 0) && counts(each.child)) nearest = each;
  }
  return nearest;
}

/** The one that is first in the queue. */
export function firstIn(contenders: readonly Numbered[]): string | undefined {
  let first: Numbered | undefined;
  for (const each of contenders) if (first === undefined || compareContenders(each, first) < 0) first = each;
  return first?.child;
}

/**
 * The predecessors to watch: a claim behind all of `ahead` cannot be granted before one of them leaves. Empty if it is granted. They
 * are the nearest possible ones: those leave last, so the waiter wakes rarely, and never for an unrelated contender.
 * @param passed An exclusive one that was downgraded. It held the lock alone, so nothing ahead of it is left.
 */
export function blockersIn(ahead: readonly Numbered[], claim: Claim, passed: string | undefined): string[] {
  if (claim.mode === 'permits') return permitBlockersIn(ahead, claim);
  const isInTheWay = claim.mode === 'exclusive' ? () => true : (child: string) => claimOf(child).mode !== 'shared';
  const nearest = nearestIn(ahead, isInTheWay)?.child;
  return nearest === undefined || nearest === passed ? [] : [nearest];
}

/** Granted is whose permits fit with those of all ahead. While enough of them stand that they do not fit, the others do not matter. */
function permitBlockersIn(ahead: readonly Numbered[], claim: Claim & { mode: 'permits' }): string[] {
  const blockers: string[] = [];
  let sum = claim.permits;
  for (const { child } of ahead.toSorted((a, b) => compareContenders(b, a))) {
    const other = claimOf(child);
    // Another kind or limit does not go together with this one, whatever the sum.
    if (other.mode !== 'permits' || limitOf(other) !== claim.limit) return [child];
    blockers.push(child);
    sum += other.permits;
    if (sum > claim.limit) return blockers;
  }
  return [];
}

/** How many contenders, from the first of the queue on, hold the lock. */
export function countHolders(order: readonly string[], isFirstDowngraded: boolean): number {
  const [first] = order;
  if (first === undefined) return 0;
  const claim = claimOf(first);
  if (claim.mode === 'exclusive' && !isFirstDowngraded) return 1;
  let sum = 0;
  const next = order.findIndex((child, i) => {
    const other = claimOf(child);
    sum += other.mode === 'permits' ? other.permits : 0;
    if (i === 0) return false;
    return claim.mode === 'permits' ? limitOf(other) !== claim.limit || sum > claim.limit : other.mode !== 'shared';
  });
  return next < 0 ? order.length : next;
}

import type { HistoryEvent } from '../history/events.ts';
import { checkFences, checkWrites } from '../history/fences.ts';
import { groupBy } from '../history/group-by.ts';
import { type History, type Hold, interpret } from '../history/holds.ts';
import { checkExclusion, isExclusive, nameOf, type Violation } from '../history/sweep.ts';

/** What the history of a stress run says. */
export interface Judgement {
  readonly history: History;
  readonly violations: readonly Violation[];
}

/**
 * Exclusion, fencing order, no stale write accepted, and none of a holder refused. Linear: `Locks` never gives the token of a hold that
 * ended, so no search is needed where an owner asks again after a loss, as `checkHistory` makes for adapters.
 */
export function judge(events: readonly HistoryEvent[]): Judgement {
  const history = interpret(events);
  const unfair = checkExclusion(history.holds);
  const keys = new Set(unfair.map(({ key }) => key));
  // Where two hold at once, the order of tokens means nothing.
  const orderly = history.holds.filter((hold) => isExclusive(hold) && !keys.has(hold.key));
  const violations = [
    ...unfair,
    ...checkFences(orderly).filter((violation) => !isReentry(violation)),
    ...checkWrites(history.writes),
    ...checkHolderWrites(history),
  ];
  return { history, violations };
}

/**
 * The renewals of a killed process are not in its history: its holds seem to end before those that re-entered them. The same token for the same
 * owner, with nobody between, is such a re-entry.
 */
function isReentry({ rule, holds: [a, b] }: Violation): boolean {
  return rule === 'fencing' && a !== undefined && b !== undefined && a.owner === b.owner && a.fence === b.fence;
}

/** A write that began and ended within its hold must be accepted: nobody else can have had a higher token yet. */
export function checkHolderWrites({ holds, writes }: Pick<History, 'holds' | 'writes'>): Violation[] {
  const byToken = groupBy(holds, ({ key, fence }) => `${key}\0${fence}`);
  const violations: Violation[] = [];
  for (const write of writes) {
    // Without an answer it may have been accepted.
    if (write.accepted || write.returnedAt === Number.POSITIVE_INFINITY) continue;
    const of = byToken.get(`${write.key}\0${write.fence}`) ?? [];
    const hold = of.find(({ start, end }) => start <= write.invokedAt && write.returnedAt <= end);
    if (hold) violations.push(refused(hold, write.invokedAt, write.returnedAt));
  }
  return violations;
}

function refused(hold: Hold, from: number, to: number): Violation {
  return {
    rule: 'stale-write',
    key: hold.key,
    message: `"${hold.key}" refused a write with the token ${hold.fence} while ${nameOf(hold)} held it: somebody else had a higher token already`,
    from,
    to,
    holds: [hold],
  };
}

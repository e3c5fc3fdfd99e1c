import type { HistoryEvent } from '../history/events.ts';
import { checkFences, checkWrites } from '../history/fences.ts';
import { groupBy } from '../history/group-by.ts';
import { type History, type Hold, interpret } from '../history/holds.ts';
import { checkExclusion, isExclusive, nameOf, type Violation } from '../history/sweep.ts';

/** The verdict on the history of a stress run. */
export interface Judgement {
  readonly history: History;
  readonly violations: readonly Violation[];
}

/**
 * Checks exclusion and the order of fencing tokens, that no stale write was accepted, and that no write of a holder was refused. Takes
 * linear time: `Locks` never returns the token of a hold that has ended, so there is no need to search, as `checkHistory` does for
 * adapters, when an owner requests the key again after a loss.
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

/** Checks that every write that began and ended within its hold was accepted: no other owner can have had a higher token yet. */
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

import { groupBy } from './group-by.ts';
import type { Hold, Write } from './holds.ts';
import { nameOf, type Violation } from './sweep.ts';

/**
 * Checks fencing: tokens increase strictly in the order of the cores, and a re-entry keeps the token. Holds without a token are ignored.
 * The check is exact if the cores are disjoint and no owner has two requests at the same time; otherwise, `checkHistory` searches.
 * Returns [] if there is no violation.
 */
export function checkFences(holds: readonly Hold[]): Violation[] {
  const violations: Violation[] = [];
  for (const ofKey of groupBy(holds, ({ key }) => key).values()) {
    // Holds of no length at one moment have no order of their own.
    const inOrder = ofKey.toSorted((a, b) => a.start - b.start || a.end - b.end || compare(a.fence, b.fence));
    let highest: Hold | undefined;
    // The possession of one owner, which re-entries prolong, and its token.
    let owner: string | undefined;
    let until = Number.NEGATIVE_INFINITY;
    let first: Hold | undefined;
    for (const hold of inOrder) {
      const reentered = hold.owner === owner && hold.start < until;
      if (!reentered) first = undefined;
      until = reentered ? Math.max(until, hold.end) : hold.end;
      owner = hold.owner;
      if (hold.fence === undefined) continue;
      if (first) {
        if (hold.fence !== first.fence) violations.push(changed(first, hold));
        continue;
      }
      first = hold;
      if (highest && hold.fence <= highest.lastFence!) violations.push(wentBack(highest, hold));
      else highest = hold;
    }
  }
  return violations;
}

/** Checks that no accepted write has a lower token than a write that was accepted before it began. Returns [] if there is none. */
export function checkWrites(writes: readonly Write[]): Violation[] {
  const violations: Violation[] = [];
  for (const ofKey of groupBy(
    writes.filter(({ accepted }) => accepted),
    ({ key }) => key,
  ).values()) {
    const returned = ofKey.toSorted((a, b) => a.returnedAt - b.returnedAt);
    const invoked = ofKey.toSorted((a, b) => a.invokedAt - b.invokedAt);
    let highest: Write | undefined;
    let next = 0;
    for (const write of invoked) {
      for (; next < returned.length && returned[next]!.returnedAt < write.invokedAt; next++) {
        const earlier = returned[next]!;
        if (!highest || earlier.fence > highest.fence) highest = earlier;
      }
      if (highest && write.fence < highest.fence) violations.push(staleWrite(highest, write));
    }
  }
  return violations;
}

function compare(a: bigint | undefined, b: bigint | undefined): number {
  if (a === undefined || b === undefined || a === b) return 0;
  return a < b ? -1 : 1;
}

/**
 * Whether an owner requests a key while it is releasing it. In that case, it is open whether the new hold is a re-entry, and so which
 * token it must have: only a search can decide.
 */
export function isAmbiguous(holds: readonly Hold[]): boolean {
  const byOwner = groupBy(holds, ({ owner, key }) => `${owner}\0${key}`);
  for (const ofOwner of byOwner.values()) {
    const inOrder = ofOwner.toSorted((a, b) => a.invokedAt - b.invokedAt);
    for (const [index, a] of inOrder.entries()) {
      for (let next = index + 1; next < inOrder.length; next++) {
        const b = inOrder[next]!;
        if (b.invokedAt > a.doneAt) break;
        if (b.start >= a.end || a.start >= b.end) return true;
      }
    }
  }
  return false;
}

function changed(a: Hold, b: Hold): Violation {
  return {
    rule: 'fencing',
    key: a.key,
    message: `"${a.key}" gave the fencing token ${b.fence} to ${nameOf(b)}, which re-entered ${nameOf(a)} with ${a.fence}: re-entry keeps the token`,
    from: a.start,
    to: b.start,
    holds: [a, b],
  };
}

function wentBack(a: Hold, b: Hold): Violation {
  return {
    rule: 'fencing',
    key: a.key,
    message: `"${a.key}" gave the fencing token ${b.fence} to ${nameOf(b)} after ${a.lastFence} to ${nameOf(a)}: tokens must rise`,
    from: a.start,
    to: b.start,
    holds: [a, b],
  };
}

function staleWrite(a: Write, b: Write): Violation {
  return {
    rule: 'stale-write',
    key: a.key,
    message: `"${a.key}" accepted a write with the token ${b.fence} (process ${b.process}) after one with ${a.fence} (process ${a.process})`,
    from: a.invokedAt,
    to: b.returnedAt,
    holds: [],
  };
}

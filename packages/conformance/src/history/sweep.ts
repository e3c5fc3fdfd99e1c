import { groupBy } from './group-by.ts';
import type { Hold } from './holds.ts';

/** Something that must not happen, with the holds that did it. */
export interface Violation {
  readonly rule: 'exclusion' | 'fencing' | 'stale-write' | 'linearizability';
  readonly key: string;
  readonly message: string;
  /** The moments that it is about, on the clock of the history. */
  readonly from: number;
  readonly to: number;
  readonly holds: readonly Hold[];
  /** For how long two owners held the key at once. */
  readonly overlapMs?: number | undefined;
}

/** What `checkExclusion` tolerates. */
export interface ExclusionOptions {
  /** How far the clocks of the processes may be apart, in ms; default 0, as on one machine. An overlap counts only beyond twice that. */
  readonly skewMs?: number | undefined;
}

/**
 * Exclusion, exactly, in O(n log n): a history of a lock with leases is linearizable if and only if the cores of different owners
 * are disjoint. Any linearization contains the cores, and to acquire at the return and to release at the call makes just them. Cores
 * are closed intervals that may touch. Gives the first violation of each key and most of the later ones; [] when there is none.
 */
export function checkExclusion(holds: readonly Hold[], options: ExclusionOptions = {}): Violation[] {
  const toleratedMs = 2 * (options.skewMs ?? 0);
  const violations: Violation[] = [];
  for (const ofKey of groupBy(holds, ({ key }) => key).values()) {
    // By their ends, so that a hold of no length stands before one that begins with it.
    const inOrder = ofKey.toSorted((a, b) => a.start - b.start || a.end - b.end);
    // As long as cores are disjoint, whoever ends last is the only one that the next can meet.
    let last: Hold | undefined;
    for (const hold of inOrder) {
      if (last && last.owner !== hold.owner && last.end > hold.start) {
        const overlapMs = Math.min(last.end, hold.end) - hold.start;
        if (toleratedMs === 0 || overlapMs > toleratedMs) violations.push(twoHolders(last, hold, overlapMs));
      }
      if (!last || hold.end > last.end) last = hold;
    }
  }
  return violations;
}

/** A hold in words. */
export function nameOf({ id, process, owner }: Hold): string {
  return owner === id ? `${id} (process ${process})` : `${id} of ${owner} (process ${process})`;
}

function twoHolders(a: Hold, b: Hold, overlapMs: number): Violation {
  const until = overlapMs === Number.POSITIVE_INFINITY ? 'without end' : `for ${overlapMs.toFixed(3)} ms`;
  return {
    rule: 'exclusion',
    key: a.key,
    message: `"${a.key}" had two holders ${until}: ${nameOf(a)} held it until ${ended(a)}, ${nameOf(b)} was granted it before`,
    from: b.start,
    to: b.start + overlapMs,
    holds: [a, b],
    overlapMs,
  };
}

function ended({ endedBy }: Hold): string {
  if (endedBy === 'release') return 'it called release';
  if (endedBy === 'lost') return 'it was told of its loss';
  return endedBy === 'deadline' ? 'its deadline' : 'the end of the history';
}

import { groupBy } from './group-by.ts';
import type { Hold } from './holds.ts';

/** A violation of a rule, with the holds that violated it. */
export interface Violation {
  readonly rule: 'exclusion' | 'fencing' | 'stale-write' | 'linearizability';
  readonly key: string;
  readonly message: string;
  /** When the violation begins, on the clock of the history; `to` is when it ends. */
  readonly from: number;
  readonly to: number;
  readonly holds: readonly Hold[];
  /** How long two owners held the key at the same time, in ms. */
  readonly overlapMs?: number | undefined;
}

/** What `checkExclusion` tolerates. */
export interface ExclusionOptions {
  /** How much the clocks of the processes may differ, in ms; default 0, as on one machine. Overlaps of up to twice that are ignored. */
  readonly skewMs?: number | undefined;
}

/**
 * Checks exclusion exactly, in O(n log n). The core of a hold is the time from `start` to `end`. A history of a lock with leases is
 * linearizable if and only if the cores of different owners are disjoint: any linearization contains the cores, and acquiring at the
 * return and releasing at the call gives exactly the cores. Cores are closed intervals, which may touch. Compatible holds, which are
 * shared or permits, may overlap. Returns the first violation of each key, and most later ones; [] if there is none.
 */
export function checkExclusion(holds: readonly Hold[], options: ExclusionOptions = {}): Violation[] {
  const toleratedMs = 2 * (options.skewMs ?? 0);
  const violations: Violation[] = [];
  for (const ofKey of groupBy(holds, ({ key }) => key).values()) {
    if (!ofKey.every(isExclusive)) {
      violations.push(...checkClaims(ofKey, toleratedMs));
      continue;
    }
    // By their ends, so that a hold of no length stands before one that begins with it.
    const inOrder = ofKey.toSorted((a, b) => a.start - b.start || a.end - b.end);
    // While holds are disjoint, the next one can overlap only the one that ends last.
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

/** Whether it was granted for its owner alone, and stayed so. */
export const isExclusive = ({ claim, sharedFrom }: Hold): boolean =>
  sharedFrom === undefined && (claim === undefined || claim.mode === 'exclusive');

/** Exclusion by claim: each new hold against all that last beyond its start. */
function checkClaims(holds: readonly Hold[], toleratedMs: number): Violation[] {
  const violations: Violation[] = [];
  let standing: Hold[] = [];
  for (const hold of holds.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
    standing = standing.filter(({ end }) => end > hold.start);
    const others = standing.filter(
      ({ owner, end }) =>
        owner !== hold.owner && (toleratedMs === 0 || Math.min(end, hold.end) - hold.start > toleratedMs),
    );
    const foe = others.find((other) => !goTogether(other, hold));
    if (foe) violations.push(twoHolders(foe, hold, Math.min(foe.end, hold.end) - hold.start));
    else if (sumOf([...others, hold]) > limitOf(hold)) violations.push(tooMany([...others, hold]));
    standing.push(hold);
  }
  return violations;
}

const sumOf = (holds: readonly Hold[]): number =>
  holds.reduce((sum, { claim }) => sum + (claim?.mode === 'permits' ? claim.permits : 0), 0);
const limitOf = ({ claim }: Hold): number => (claim?.mode === 'permits' ? claim.limit : Number.POSITIVE_INFINITY);

/** Whether two owners may have these at once, when the later one begins. */
function goTogether(a: Hold, b: Hold): boolean {
  if (a.claim?.mode === 'permits' || b.claim?.mode === 'permits') return limitOf(a) === limitOf(b);
  const isShared = ({ claim, sharedFrom = Number.POSITIVE_INFINITY }: Hold) =>
    claim?.mode === 'shared' || sharedFrom <= b.start;
  return isShared(a) && isShared(b);
}

function tooMany(holds: readonly Hold[]): Violation {
  const last = holds.at(-1)!;
  const until = Math.min(...holds.map(({ end }) => end));
  return {
    rule: 'exclusion',
    key: last.key,
    message: `"${last.key}": ${sumOf(holds)} permits of ${limitOf(last)} were held at once, by ${holds.map(nameOf).join(', ')}`,
    from: last.start,
    to: until,
    holds,
    overlapMs: until - last.start,
  };
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

import { LockError } from '@holdfast/lock-core';

/** An error in what the caller wrote; no repetition changes it. */
export function invalid(message: string): LockError {
  return new LockError('LOCK_INVALID_ARGUMENT', message);
}

/** `; did you mean "x"?` when a known name is near, then the list of all known ones. */
export function knownNames(written: string, known: readonly string[]): string {
  const near = nearest(written, known);
  return `${near === undefined ? '' : `Did you mean "${near}"? `}Known: ${known.join(', ')}.`;
}

/** The known name that differs least from `written`, if it is close enough for a typing mistake. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  const ranked = known.map((name) => ({ name, steps: editDistance(written.toLowerCase(), name.toLowerCase()) }));
  const best = ranked.sort((a, b) => a.steps - b.steps)[0];
  return best !== undefined && best.steps <= Math.max(1, Math.min(3, best.name.length / 2)) ? best.name : undefined;
}

/** Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const substitution = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      rows[i]![j] = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        rows[i]![j] = Math.min(rows[i]![j]!, rows[i - 2]![j - 2]! + 1);
      }
    }
  }
  return rows[a.length]![b.length]!;
}

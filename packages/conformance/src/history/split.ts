import type { Hold } from './holds.ts';

/**
 * Splits the holds of one key where no call is in progress and the key is not held, so that each window can be searched separately. A
 * hold that expired is over for other owners at its end, but its own owner may still re-enter it.
 */
export function split(holds: readonly Hold[]): Hold[][] {
  const lastAsked = new Map<string, number>();
  for (const { owner, invokedAt } of holds) {
    lastAsked.set(owner, Math.max(invokedAt, lastAsked.get(owner) ?? Number.NEGATIVE_INFINITY));
  }
  const windows: Hold[][] = [];
  let window: Hold[] = [];
  let busyUntil = Number.NEGATIVE_INFINITY;
  for (const hold of holds.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    if (hold.invokedAt > busyUntil && window.length > 0) {
      windows.push(window);
      window = [];
    }
    window.push(hold);
    const { owner, end, doneAt } = hold;
    const overAt = doneAt === Number.POSITIVE_INFINITY ? Math.max(end, lastAsked.get(owner)!) : doneAt;
    busyUntil = Math.max(busyUntil, overAt);
  }
  if (window.length > 0) windows.push(window);
  return windows;
}

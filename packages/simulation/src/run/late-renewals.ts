import type { Held } from './held.ts';

/** From when on a renewal that arrives later than lock-core counts with may have shortened a hold, so that the next one overlaps it. */
export interface LateRenewals {
  /** `besides`: who has the same lease. */
  granted(held: Held, besides: readonly Held[]): void;
  ended(held: Held): void;
}

/** `fromOwn` looks only at the renewals under this lock itself; Infinity if none of them can be so late. */
export function createLateRenewals(fromOwn: (held: Held) => number, now: () => number): LateRenewals {
  const lastEnded = new Map<string, Held>();
  const whose = ({ machine, step: { locks, key } }: Held): string => `${machine.name} ${locks} ${key}`;

  return {
    granted(held, besides) {
      const before = lastEnded.get(whose(held));
      // A process that passes its lease on does so in the moment of the release.
      const passedOn = before?.endedAt === now() ? [before] : [];
      const from = Math.min(fromOwn(held), ...[...besides, ...passedOn].map(({ shortFrom }) => shortFrom));
      for (const one of [held, ...besides]) one.shortFrom = Math.min(one.shortFrom, from);
    },
    ended: (held) => void lastEnded.set(whose(held), held),
  };
}

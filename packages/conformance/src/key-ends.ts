import type { Capabilities } from '@holdfast/lock-core';

/** Sums of floating-point times, and the clocks of two processes over a lease, are off by less. */
const ROUNDING_MS = 1;
/** For how long what a request took on its way to a refusal may still stand, on a busy machine. */
const GIVEN_BACK_WITHIN_MS = 500;
/** How long after a grant a part of the key may still be taken for it, on a busy machine. */
const TAKEN_WITHIN_MS = 50;

/** The longest lease that the backend may grant for a TTL. */
export function longestLease({ ttl }: Capabilities, ttlMs: number): number {
  return Math.ceil(Math.max(ttlMs, ttl.minMs) / ttl.granularityMs) * ttl.granularityMs;
}

/** When a lease of this TTL is over at the latest that began before `begunBy`. */
export const latestEnd = (capabilities: Capabilities, ttlMs: number, begunBy: number): number =>
  begunBy + longestLease(capabilities, ttlMs) + capabilities.ttl.maxOvershootMs;

/** A request that may begin a lease, or change one. */
export interface LeaseCall {
  readonly key: string;
  readonly owner: string;
  readonly ttlMs: number;
}

/** When a request was refused, and until when the lease would last that it asked for. */
interface Refusal {
  readonly at: number;
  readonly latest: number;
}

/** A lease that was answered: between which times it ends, if nothing else ends it before. */
interface AnsweredLease {
  readonly earliest: number;
  readonly latest: number;
  /** As long as it may have been from its last renewal. */
  readonly wholeMs: number;
  /** The client that was answered. */
  readonly client: object;
}

interface KeyEnds {
  /** The last lease of each owner. */
  readonly leases: Map<string, AnsweredLease>;
  /** How many requests are on their way. */
  asked: number;
  readonly refusals: { last: Refusal; before: Refusal };
  /** The outcome of a request is unknown: there may be a lease of any length. */
  isUnknown: boolean;
}

/** When the leases of the keys of a case end, as far as all its clients were told. */
export interface Ends {
  /** Notes that a client makes a request; what it gives notes the answer. */
  ask(calls: readonly LeaseCall[], client: object): (outcomes: readonly unknown[] | undefined) => void;
  /**
   * No lease of the key lasts for longer than this from `calledAt`; infinite where that cannot be told. Holds of one TTL may share a
   * lease, and only their own client knows when each was renewed: another one, `looker`, may tell up to the whole TTL.
   */
  mostMs(key: string, calledAt: number, looker?: object): number;
  /** Whether a lease of the key may have ended between these times. */
  mayEnd(key: string, from: number, to: number): boolean;
  /** From now on, others ask for the same keys. */
  open(): void;
}

/** Begins to note the ends of leases. */
export function noteEnds(capabilities: Capabilities): Ends {
  const { granularityMs } = capabilities.ttl;
  const keys = new Map<string, KeyEnds>();
  const none: Refusal = { at: Number.NEGATIVE_INFINITY, latest: 0 };
  // Without a queue, contenders may take a part of a key each, and give it back once they are told that it is busy (Redlock).
  const isInParts = capabilities.fairness === 'none';
  const givenBackMs = isInParts ? GIVEN_BACK_WITHIN_MS : 0;
  // Of several nodes a majority grants, and the others, whose leases begin later, tell of theirs as well: how slow one can be, the calls show.
  let takenMs = isInParts ? TAKEN_WITHIN_MS : 0;
  let isOpen = capabilities.expiry !== 'ttl';

  const at = (key: string): KeyEnds => {
    const refusals = { last: none, before: none };
    const known = keys.get(key) ?? { leases: new Map(), asked: 0, refusals, isUnknown: false };
    keys.set(key, known);
    return known;
  };
  const isUncertain = (ends: KeyEnds | undefined) => isOpen || !ends || ends.asked > 0 || ends.isUnknown;

  return {
    ask(calls, client) {
      const calledAt = performance.now();
      for (const { key } of calls) at(key).asked += 1;
      return (outcomes) => {
        const answeredAt = performance.now();
        if (isInParts) takenMs = Math.min(GIVEN_BACK_WITHIN_MS, Math.max(takenMs, answeredAt - calledAt));
        for (const [i, { key, owner, ttlMs }] of calls.entries()) {
          const ends = at(key);
          ends.asked -= 1;
          const latest = latestEnd(capabilities, ttlMs, answeredAt);
          const outcome = outcomes?.[i] as { readonly status?: unknown; readonly validForMs?: unknown } | undefined;
          if (outcome?.status === 'granted' || outcome?.status === 'renewed') {
            // The answers of two requests may come in the other order, and to ask again may leave a longer lease as it is.
            const before = ends.leases.get(owner) ?? { latest: 0, wholeMs: 0 };
            const earliest = calledAt + Math.min(Number(outcome.validForMs), ttlMs);
            const wholeMs = Math.max(longestLease(capabilities, ttlMs), before.wholeMs);
            ends.leases.set(owner, { earliest, latest: Math.max(latest, before.latest), wholeMs, client });
          } else if (outcome?.status === 'busy' || outcome?.status === 'lost') {
            ends.refusals.before = ends.refusals.last;
            ends.refusals.last = { at: answeredAt, latest };
          } else ends.isUnknown = true;
        }
      };
    },
    mostMs(key, calledAt, looker) {
      const ends = keys.get(key);
      if (isUncertain(ends) || ends!.leases.size === 0) return Number.POSITIVE_INFINITY;
      const { last, before } = ends!.refusals;
      // The last one may be that of this call.
      const refusal = last.at > calledAt ? before : last;
      const givenBack = calledAt < refusal.at + givenBackMs ? refusal.latest : 0;
      const latestOf = ({ latest, wholeMs, client }: AnsweredLease) =>
        looker === undefined || looker === client ? latest : Math.max(latest, calledAt + wholeMs);
      const latest = Math.max(givenBack, ...[...ends!.leases.values()].map(latestOf));
      return latest - calledAt + takenMs + granularityMs + ROUNDING_MS;
    },
    mayEnd(key, from, to) {
      const ends = keys.get(key);
      if (isUncertain(ends) || ends!.leases.size === 0) return true;
      return [...ends!.leases.values()].some(
        ({ earliest, latest }) => earliest - ROUNDING_MS <= to && from <= latest + ROUNDING_MS,
      );
    },
    open() {
      isOpen = true;
    },
  };
}

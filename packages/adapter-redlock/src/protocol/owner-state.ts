import type { Round } from './round.ts';

/** What is known here about one owner of one key, from its first round of votes to the last late answer after its release. */
export interface Claim {
  readonly id: string;
  /** A round or a question of this owner is under way; the next one of the same owner waits for it. */
  busy: boolean;
  /** Those who wait. */
  readonly queue: (() => void)[];
  /** What was granted, until it is released or known to be lost. */
  hold: ClaimedHold | undefined;
  /** The owner was released: it gets nothing any more. */
  released: boolean;
  /** Ends a pause between two rounds. */
  wake: (() => void) | undefined;
  /** By node: whether a vote was ever asked for. */
  readonly asked: boolean[];
  /** Rounds with answers outstanding. */
  readonly open: Round[];
}

export interface ClaimedHold {
  readonly first: number;
  readonly last: number;
  /** How many other clients were seen waiting when it was granted. */
  readonly waiting: number;
  /** Monotonic ms until which the grant counts. */
  validUntil: number;
}

/** The claims of one adapter. One whose hold ran out unreleased is forgotten in time. */
export interface Claims {
  find(key: string, owner: string): Claim | undefined;
  open(key: string, owner: string): Claim;
  /** Forgets the claim if there is nothing to remember. */
  tidy(claim: Claim): void;
  readonly size: number;
}

const fewestToSweep = 1_000;

export function createClaims(now: () => number): Claims {
  const claims = new Map<string, Claim>();
  let sweepAt = fewestToSweep;

  // The length in front keeps two pairs apart whatever characters they have.
  const idOf = (key: string, owner: string): string => `${owner.length}:${owner}${key}`;
  const isBusy = (claim: Claim): boolean => claim.busy || claim.queue.length > 0 || claim.open.length > 0;

  /** Each sweep is paid for by as many new claims as it left. */
  function sweep(): void {
    const at = now();
    for (const claim of claims.values()) {
      if (!isBusy(claim) && (claim.hold === undefined || claim.hold.validUntil <= at)) claims.delete(claim.id);
    }
    sweepAt = Math.max(fewestToSweep, 2 * claims.size);
  }

  return {
    find: (key, owner) => claims.get(idOf(key, owner)),
    open(key, owner) {
      const id = idOf(key, owner);
      let claim = claims.get(id);
      if (claim === undefined) {
        if (claims.size >= sweepAt) sweep();
        claim = {
          id,
          busy: false,
          queue: [],
          hold: undefined,
          released: false,
          wake: undefined,
          asked: [],
          open: [],
        };
        claims.set(id, claim);
      }
      return claim;
    },
    tidy(claim) {
      if (!isBusy(claim) && claim.hold === undefined) claims.delete(claim.id);
    },
    get size() {
      return claims.size;
    },
  };
}

import type { Round } from './round.ts';

/** What is known here about one owner of one key, from its first round of votes to the last late answer after its release. */
export interface OwnerState {
  readonly id: string;
  /** A round or a question of this owner is under way; the next one of the same owner waits for it. */
  busy: boolean;
  /** Those who wait. */
  readonly queue: (() => void)[];
  /** What was granted, until it is released or known to be lost. */
  hold: GrantedHold | undefined;
  /** The owner was released: it gets nothing any more. */
  released: boolean;
  /** Ends a pause between two rounds. */
  wake: (() => void) | undefined;
  /** By node: whether a vote was ever asked for. */
  readonly asked: boolean[];
  /** Rounds with answers outstanding. */
  readonly open: Round[];
}

export interface GrantedHold {
  readonly first: number;
  readonly last: number;
  /** How many other clients were seen waiting when it was granted. */
  readonly waiting: number;
  /** Monotonic ms until which the grant counts. */
  validUntil: number;
}

/** The owners of one adapter. One whose hold ran out unreleased is forgotten in time. */
export interface OwnerStates {
  find(key: string, owner: string): OwnerState | undefined;
  open(key: string, owner: string): OwnerState;
  /** Forgets the state if there is nothing to remember. */
  tidy(state: OwnerState): void;
  readonly size: number;
}

const fewestToSweep = 1_000;

export function createOwnerStates(now: () => number): OwnerStates {
  const owners = new Map<string, OwnerState>();
  let sweepAt = fewestToSweep;

  // The length in front keeps two pairs apart whatever characters they have.
  const idOf = (key: string, owner: string): string => `${owner.length}:${owner}${key}`;
  const isBusy = (state: OwnerState): boolean => state.busy || state.queue.length > 0 || state.open.length > 0;

  /** Each sweep is paid for by as many new owners as it left. */
  function sweep(): void {
    const at = now();
    for (const state of owners.values()) {
      if (!isBusy(state) && (state.hold === undefined || state.hold.validUntil <= at)) owners.delete(state.id);
    }
    sweepAt = Math.max(fewestToSweep, 2 * owners.size);
  }

  return {
    find: (key, owner) => owners.get(idOf(key, owner)),
    open(key, owner) {
      const id = idOf(key, owner);
      let state = owners.get(id);
      if (state === undefined) {
        if (owners.size >= sweepAt) sweep();
        state = {
          id,
          busy: false,
          queue: [],
          hold: undefined,
          released: false,
          wake: undefined,
          asked: [],
          open: [],
        };
        owners.set(id, state);
      }
      return state;
    },
    tidy(state) {
      if (!isBusy(state) && state.hold === undefined) owners.delete(state.id);
    },
    get size() {
      return owners.size;
    },
  };
}

import type { Claim } from '@holdfast/lock-core';
import type { Round } from './round.ts';

/** What is known here about one owner of one key, from its first request to the last late answer after its release. */
export interface OwnerState {
  readonly id: string;
  /** What it asked for, or was downgraded to. */
  claim: Claim | undefined;
  /** A request of this owner is under way; the next one of the same owner waits for it. */
  busy: boolean;
  /** Those that wait. */
  readonly queue: (() => void)[];
  /** What was granted, until it is released or known to be lost. */
  hold: GrantedHold | undefined;
  /** The owner was released: it gets nothing any more. */
  released: boolean;
  /** The owner was told that another has the lock: whatever of it still waits is told the same. */
  refused: boolean;
  /** Ends a pause between two rounds. */
  wake: (() => void) | undefined;
  /** The highest token proposed for it: rounds of one owner only go up, so that a late request of one cannot undo a later one. */
  proposed: number;
  /** By node: whether a vote was ever asked for. */
  readonly asked: boolean[];
  /** Rounds with answers outstanding. */
  readonly open: Round[];
  /** Monotonic ms until which it is remembered although nothing is under way, since it may be asked for or released yet. */
  keepUntil: number;
}

export interface GrantedHold {
  /** The token of a hold that was granted as a shared one: `first` is then the number of its round. */
  readonly token?: number | undefined;
  readonly first: number;
  readonly last: number;
  /** How many other clients were seen waiting when it was granted. */
  readonly waiting: number;
  /** Monotonic ms until which the grant counts. */
  validUntil: number;
}

/** The owners of one adapter. One that is never released is forgotten in time. */
export interface OwnerStates {
  find(key: string, owner: string): OwnerState | undefined;
  open(key: string, owner: string): OwnerState;
  /** Forgets the owner if there is nothing to remember. */
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
      const until = Math.max(state.hold?.validUntil ?? 0, state.keepUntil);
      if (!isBusy(state) && until <= at) owners.delete(state.id);
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
          claim: undefined,
          busy: false,
          queue: [],
          hold: undefined,
          released: false,
          refused: false,
          wake: undefined,
          proposed: 0,
          asked: [],
          open: [],
          keepUntil: 0,
        };
        owners.set(id, state);
      }
      return state;
    },
    tidy(state) {
      if (!isBusy(state) && state.hold === undefined && (state.released || state.keepUntil === 0)) {
        owners.delete(state.id);
      }
    },
    get size() {
      return owners.size;
    },
  };
}

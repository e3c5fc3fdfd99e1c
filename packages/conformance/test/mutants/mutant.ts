import type { Capabilities, LockAdapter, Locks, LocksOptions } from '@holdfast/lock-core';
import type { ClaimStore } from '../support/claims-adapter.ts';
import type { Table } from '../support/table-adapter.ts';
import type { BaseName } from './bases.ts';

/** The inside of the backend of a run, for a mutant to do wrong things to. */
export interface Inside extends Table {
  /** The nodes of the base `quorum`. */
  readonly nodes: readonly Table[];
  /** The keys of the base `claims`. */
  readonly claims: ClaimStore;
  /** Refused attempts of all clients, for the mutant that keeps them in line. */
  readonly refused: { key: string; owner: string }[];
}

/** A right adapter with one bug, or right locks with one, and the cases that must find it. */
export interface Mutant {
  readonly bug: string;
  /** Where the bug was seen: numbers of `hazards`, or a name. */
  readonly seenIn: string;
  /** The right adapter that it is made from. */
  readonly base: BaseName;
  /** The cases that are there for this bug; others may find it too. */
  readonly caughtBy: readonly [string, ...string[]];
  /** Part of the message of the first of those cases, from which an author understands the bug. */
  readonly message: RegExp;
  /** What it declares otherwise than its base. */
  readonly declares?: Partial<Capabilities>;
  /** What the adapter of one client does wrong; `client` counts the clients of a run. */
  adapter?(right: LockAdapter, inside: Inside, client: number): Partial<LockAdapter>;
  /** What the locks over a right adapter do wrong, for the rules that lock-core keeps. */
  locks?(adapter: LockAdapter, options: LocksOptions, inside: Inside): Locks;
}

import type { LockAdapter } from '@holdfast/lock-core';
import type { Environment } from '../engine/environment.ts';
import type { Machine } from '../engine/machine.ts';
import type { Network } from '../engine/network.ts';
import type { World } from '../engine/world.ts';
import type { Random } from '../random.ts';
import type { Failure } from '../run/held.ts';
import type { Schedule } from '../schedule/types.ts';

/** What a backend's simulation is built from. */
export interface Stage {
  readonly world: World;
  readonly network: Network;
  readonly schedule: Schedule;
  /** Compiled programs by name: the shipped code, and the client libraries. */
  readonly programs: Programs;
  /** Adds a line to the timeline. */
  note(who: string, what: string): void;
  /** From now on, holds that were asked for until now may be lost without their holders knowing: a promise that nobody makes. */
  excuseHolds(why: string): void;
  /** Something that must not happen has happened in the backend. */
  fail(rule: Failure['rule'], message: string): void;
  /** A forced release of a client has freed a key of this owner ID. */
  freedByForce(client: number, key: string, owner: string): void;
}

export interface Programs {
  /** The shipped code for this backend. */
  readonly shipped: (environment: Environment) => Record<string, unknown>;
  /** A client library that runs in a simulated process. */
  library(name: string, environment: Environment): unknown;
}

/** One simulated process of the application, as a backend sees it. */
export interface ClientProcess {
  readonly index: number;
  readonly machine: Machine;
  readonly environment: Environment;
  /** What the shipped code exports in this process. */
  readonly shipped: Record<string, unknown>;
  /**
   * Writes beside the lock through a guard, or only looks, where the backend has one: false when a newer token was there. Set by
   * `connect`.
   */
  guard?: (key: string, token: bigint, isLook: boolean) => Promise<boolean>;
  /** Begins a transaction, where the backend is a database. Set by `connect`. */
  openTransaction?: () => Promise<OpenTransaction>;
}

/** A transaction of the application, in which it can assert a lock. */
export interface OpenTransaction {
  /** What `assertIn` takes. */
  readonly client: unknown;
  /** The lock has been asserted in it. */
  pinned(): void;
  write(key: string, token: bigint): Promise<void>;
  end(how: 'COMMIT' | 'ROLLBACK'): Promise<void>;
  /** Whether it is open in the server, whatever its client knows. */
  isOpen(): boolean;
  close(isAbrupt: boolean): void;
}

/** Who holds a key in the backend. */
export interface Holder {
  readonly owner: string;
  readonly remainingMs: number | undefined;
}

/** The servers of one simulation. */
export interface Backend {
  /** What a client process uses for all of its `Locks`; called once for each. */
  connect(client: ClientProcess): () => LockAdapter;
  holderOf(key: string): Holder | undefined;
  /** Since when an owner ID has held a key in the backend, where that is watched. */
  heldSince?(key: string, owner: string): number | undefined;
  /** What a single server of several keeps, though nobody holds it: votes that were not withdrawn. */
  strays?(): readonly string[];
  /** For how many things clients are to be told what happens, all in all. */
  subscriptions?(): number;
  /** The token of the last write through a guard. */
  guarded?(key: string): string | undefined;
  /** Something that only this backend can suffer. */
  fault(name: string, server: number, ms: number): void;
  /** What is still there after all clients are gone and all leases are over. */
  leftovers(): readonly string[];
  /** Ends what is broken, so that the last part of a simulation is calm. */
  heal(): void;
}

/** How a backend takes part in simulations. */
export interface BackendModel {
  /** The entry of the shipped code. */
  readonly entry: string;
  readonly libraries: readonly string[];
  /** Those of them that the shipped code imports by itself. */
  readonly imports?: readonly string[];
  /** Modules that the libraries find in place of others. */
  replacements?(environment: Environment): Readonly<Record<string, unknown>>;
  /** What can befall the servers and has an effect with these options; twice is twice as often. */
  serverFaults(options: Schedule['options']): readonly string[];
  readonly hasGuard?: boolean;
  /** Whether its locks can be asserted in transactions. */
  readonly hasTransactions?: boolean;
  /** Whether its adapter takes all claims; one without a queue is asked again and again. */
  readonly hasClaims?: boolean;
  /** Whether `Locks` on it are asked for shared locks, and for semaphores. */
  takesModes?(options: Schedule['options']): boolean;
  drawOptions(random: Random): Record<string, number | string | boolean>;
  servers(options: Schedule['options']): number;
  create(stage: Stage): Backend;
  /** How much longer than with hints a waiter may take to see that a key is free. */
  readonly slowestHintMs: number;
  /** How much longer than it was asked for a lease may be. */
  readonly granularityMs?: number;
  /** How long one request takes in the servers themselves, at most and while nothing is wrong. */
  readonly servesWithinMs?: number;
  /** How long after its grant a waiter has heard of it, while nothing goes wrong. */
  tellsWithinMs?(options: Schedule['options']): number;
  /** Whether callers that wait are promised to be granted in the order in which they asked. */
  isFifo?(options: Schedule['options']): boolean;
  /** That of its adapter. */
  readonly localRunCount?: number;
  /** Whether it keeps no queue, and those who wait are told when they may ask again. */
  isAsked?(options: Schedule['options']): boolean;
  /** Whether a key that is free may be busy all the same, as where too few replicas answer. */
  mayRefuseFreeKey?(options: Schedule['options']): boolean;
}

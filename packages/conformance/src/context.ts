import { randomFillSync } from 'node:crypto';
import type { AcquireAttempt, Granted, HoldRef, LockAdapter, Locks, LocksOptions } from '@holdfast/lock-core';
import type { FaultProxies } from './faults/proxies.ts';
import type { Harness, Timing } from './harness.ts';
import type { Register } from './processes/register.ts';
import type { LockProcess } from './start-process.ts';
import type { Random } from './stress/random.ts';

/** A hold that a case acquired directly from an adapter. */
export interface RawHold extends HoldRef {
  readonly granted: Granted;
  /** The monotonic time in ms before the request was sent. No lease can have begun earlier. */
  readonly sentAt: number;
}

/** How a case changes the surroundings of a client. Each member needs the part of the harness that makes it possible. */
export interface Outside {
  /** Opens a new, warmed-up client with its own fault proxies between it and the servers. They are healed after the case. */
  proxied(): Promise<{ readonly adapter: LockAdapter; readonly faults: FaultProxies }>;
  /** Creates `Locks` with such a client and the defaults of `locks`, but the usual `attemptTimeoutMs`, since requests may be lost. */
  proxiedLocks(options?: LocksOptions): Promise<{ readonly locks: Locks; readonly faults: FaultProxies }>;
  /** Starts another process with its own, connected client. It is killed after the case. */
  process(): Promise<LockProcess>;
  /** A resource that checks fencing tokens. The processes of the case write to it. */
  readonly register: Register;
  /** Freezes the servers until the returned function is called, or until the case ends. */
  freeze(): Promise<() => Promise<void>>;
}

/** What a case works with. Everything that it opens is closed after the case, even if the case fails. */
export interface Context extends Outside {
  readonly harness: Harness;
  readonly timing: Timing;
  /** How long one call took when the suite warmed up, in ms. */
  readonly latencyMs: number;
  /** How late an event may be observed on this machine, in ms: the duration of the calls around it, plus the error of its timers. */
  readonly slackMs: number;
  /** How long a race may be repeated, in ms. */
  readonly raceMs: number;
  /** Whether the run may take a minute, and looks for faults that appear only after some time. */
  readonly thorough: boolean;
  /** The random numbers of the case. They depend on the seed of the run and on the case. */
  readonly random: Random;
  /** How long something that must happen may take, in ms: a lease, the overshoot of the backend, and the grace time. */
  readonly boundMs: number;
  /** Whether `forceRelease` of the open clients accepts the owner whose hold it should end. */
  readonly forcesByName: boolean;
  /** Figures for the report, by name. */
  readonly measures: Record<string, number>;

  /** What calls of the clients were rejected with, also where they were made again and answered then. */
  readonly rejections: readonly string[];

  /** Returns a key that no other case or run uses. */
  key(): string;
  /** Opens a new, warmed-up client of the backend. If an answer is "unknown", its request is repeated. */
  client(): Promise<LockAdapter>;
  /**
   * Creates `Locks` with a new client, or with the given adapter. Default: the TTL is `longTtlMs`, `waitMs` and `backendTimeoutMs` are six
   * times `boundMs`, and `attemptTimeoutMs` is `graceMs`: without faults, every answer arrives, even if late on a busy machine.
   */
  locks(options?: LocksOptions, adapter?: LockAdapter): Promise<Locks>;

  /** Creates a request with a new owner ID. Default: `longTtlMs` and one token. */
  attempt(key: string, more?: Partial<AcquireAttempt>): AcquireAttempt;
  /** Acquires a lock that is free, or becomes free within `boundMs`. */
  take(adapter: LockAdapter, key: string, more?: Partial<AcquireAttempt>): Promise<RawHold>;
  /** Fails unless the key is busy for another owner. */
  assertBusy(adapter: LockAdapter, key: string, why: string): Promise<void>;
  /** Fails unless another owner can acquire the key within the grace time. Releases the key again. */
  assertFree(adapter: LockAdapter, key: string, why: string): Promise<void>;
  /**
   * Lets a hold end without a release, and makes another client acquire the key with `longTtlMs`. Fails if that client is granted the
   * key before `notBefore`, or not within the bound.
   */
  takeOver(adapter: LockAdapter, key: string, notBefore: number): Promise<RawHold>;
  /** Whether the key is held. Does not affect its holder. */
  isHeld(adapter: LockAdapter, key: string): Promise<boolean>;
  /** Lets a hold end without a release; the key stays free. */
  lapse(adapter: LockAdapter, key: string): Promise<void>;
  /**
   * Sends a request of a client whose hold ended without a release. If its session ended too, its connection may be lost, so an
   * "unknown" answer is requested again.
   */
  answerOfLoser<T>(ask: () => Promise<T>): Promise<T>;

  /**
   * Repeats a race until its time is over, or until there were `most` chances for a fault; at least once. `round` returns the number of
   * chances in the round. The report says how probably a fault with a rate of 1 in 500 would have been found.
   */
  race(
    round: (nth: number) => Promise<number>,
    limits?: { readonly most?: number; readonly withinMs?: number },
  ): Promise<void>;
  /** Sleeps until this time of the monotonic clock. */
  until(ms: number): Promise<void>;
  /** Fails with `message` if something was later than the slack of this machine allows. Recognises a starved backend. */
  assertInTime(lateMs: number, message: string): void;
  /**
   * Fails with `message` if something was too early. Ends the case without a verdict if the wall clock of this machine ran ahead of its
   * monotonic clock by as much, since a backend may count leases by it.
   */
  assertNotEarly(earlyMs: number, message: string): void;

  /** The monotonic time in ms. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Marks a promise that the case awaits later. If the case fails before, a rejection of the promise is ignored. */
  begin<T>(promise: Promise<T>): Promise<T>;
  /** Calls `look` until it returns anything but `undefined` or `false`, within the bound or `withinMs`. */
  eventually<T>(
    what: string,
    look: () => T | Promise<T>,
    withinMs?: number,
  ): Promise<Exclude<Awaited<T>, undefined | false>>;
  /** Awaits `promise`, within the bound or `withinMs`. */
  soon<T>(what: string, promise: Promise<T>, withinMs?: number): Promise<T>;
  /**
   * Makes a separate client request a free key repeatedly until the case ends, so that `assertMachineRan` knows how long the backend
   * kept its callers waiting: a starved backend does not renew leases in time either.
   */
  watchBackend(): Promise<void>;
  /**
   * Ends the case without a verdict if its event loop, or the watched backend, has stalled for longer than `withinMs`: a lease may then
   * be lost legitimately.
   */
  assertMachineRan(withinMs: number): Promise<void>;
}

const ownerBytes = 16;
const pool = Buffer.alloc(256 * ownerBytes);
let used = pool.length;

/** 128 random bits, as the contract wants of an owner. A run draws tens of thousands: they are filled in many at a time. */
export function newOwner(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += ownerBytes;
  return pool.toString('hex', used - ownerBytes, used);
}

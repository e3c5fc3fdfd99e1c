import { randomFillSync } from 'node:crypto';
import type { AcquireAttempt, Granted, HoldRef, LockAdapter, Locks, LocksOptions } from '@holdfast/lock-core';
import type { FaultProxies } from './faults/proxies.ts';
import type { Harness, Timing } from './harness.ts';
import type { Register } from './processes/register.ts';
import type { LockProcess } from './start-process.ts';
import type { Random } from './stress/random.ts';

/** A hold that a case took from an adapter directly. */
export interface RawHold extends HoldRef {
  readonly granted: Granted;
  /** Monotonic ms before the request was sent: no lease can count from earlier. */
  readonly sentAt: number;
}

/** What a case does to the world around a client. Each needs the part of the harness that makes it possible. */
export interface Outside {
  /** A new client, warmed up, with fault proxies of its own between it and the servers. They are healed after the case. */
  proxied(): Promise<{ readonly adapter: LockAdapter; readonly faults: FaultProxies }>;
  /** lock-core over such a client, with the defaults of `locks`, but no more than the usual patience with one request, which may be lost. */
  proxiedLocks(options?: LocksOptions): Promise<{ readonly locks: Locks; readonly faults: FaultProxies }>;
  /** Another process with a client of its own, connected. It is killed after the case. */
  process(): Promise<LockProcess>;
  /** A resource that looks at fencing tokens; the processes of the case write to it. */
  readonly register: Register;
  /** Stops the servers until the function that it resolves to is called, or the case is over. */
  freeze(): Promise<() => Promise<void>>;
}

/** What a case works with. Everything made here is closed after the case, also when it failed. */
export interface Context extends Outside {
  readonly harness: Harness;
  readonly timing: Timing;
  /** How long one call took when the suite warmed up, in ms. */
  readonly latencyMs: number;
  /** How late something may be seen on this machine, in ms: the calls around it and what its timers are off by. */
  readonly slackMs: number;
  /** How long a race may be repeated, in ms. */
  readonly raceMs: number;
  /** Whether the run may take a minute, and looks for what shows only after a while. */
  readonly thorough: boolean;
  /** What the case draws; it depends on the seed of the run and on the case. */
  readonly random: Random;
  /** How long something that must happen may take: a lease, what the backend adds to it, and grace. */
  readonly boundMs: number;
  /** Figures for the report, by name. */
  readonly measures: Record<string, number>;

  /** A key that no other case or run uses. */
  key(): string;
  /** A new client of the backend, its connection warmed up. Where its answer is "unknown", it is asked again. */
  client(): Promise<LockAdapter>;
  /**
   * lock-core over a new client, or over the given adapter. Default TTL `longTtlMs`, default patience six bounds, and `graceMs`
   * with one request: where nothing is broken, its answer comes, if late on a busy machine.
   */
  locks(options?: LocksOptions, adapter?: LockAdapter): Promise<Locks>;

  /** One request with a new owner; `longTtlMs` and one token unless told. */
  attempt(key: string, more?: Partial<AcquireAttempt>): AcquireAttempt;
  /** Takes a lock that is free, or comes free within the bound. */
  take(adapter: LockAdapter, key: string, more?: Partial<AcquireAttempt>): Promise<RawHold>;
  /** Fails unless a stranger is told that the key is busy. */
  assertBusy(adapter: LockAdapter, key: string, why: string): Promise<void>;
  /** Fails unless a stranger can have the key within the grace; frees it again. */
  assertFree(adapter: LockAdapter, key: string, why: string): Promise<void>;
  /**
   * Lets a hold end without a release and has another client take the key with `longTtlMs`. Fails if that client is let in before
   * `notBefore`, or not within the bound.
   */
  takeOver(adapter: LockAdapter, key: string, notBefore: number): Promise<RawHold>;
  /** Whether somebody holds the key, asked without disturbing its holder. */
  isHeld(adapter: LockAdapter, key: string): Promise<boolean>;
  /** Lets a hold end without a release; the key stays free. */
  lapse(adapter: LockAdapter, key: string): Promise<void>;
  /**
   * Asks a client whose hold was ended that way. Where its session went with it, its connection may have gone too: the answer
   * "unknown" is asked again.
   */
  answerOfLoser<T>(ask: () => Promise<T>): Promise<T>;

  /**
   * Repeats a race until its time is over, or `most` chances for a fault were given; at least once. `round` gives the number of
   * chances in it. The report says how often a rate of 1 in 500 would have been seen.
   */
  race(
    round: (nth: number) => Promise<number>,
    limits?: { readonly most?: number; readonly withinMs?: number },
  ): Promise<void>;
  /** Sleeps until this moment, of the monotonic clock. */
  until(ms: number): Promise<void>;
  /** Fails with `message` when something came later than the slack of this machine allows; a starved backend is recognised. */
  assertInTime(lateMs: number, message: string): void;

  /** Monotonic ms. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Starts what the case awaits later; when the case fails first, a rejection of it is nobody's concern. */
  begin<T>(promise: Promise<T>): Promise<T>;
  /** Looks until `look` gives something other than `undefined` or `false`, within the bound or `withinMs`. */
  eventually<T>(
    what: string,
    look: () => T | Promise<T>,
    withinMs?: number,
  ): Promise<Exclude<Awaited<T>, undefined | false>>;
  /** Awaits `promise`, within the bound or `withinMs`. */
  soon<T>(what: string, promise: Promise<T>, withinMs?: number): Promise<T>;
  /**
   * Has a client of its own ask for a free key again and again until the case is over, so that `assertMachineRan` knows how long the
   * backend kept its callers waiting: one that is starved renews nothing in time either.
   */
  watchBackend(): Promise<void>;
  /** Ends the case without a verdict when its event loop, or the backend that is watched, has stalled for longer than this: a lease may then be lost by right. */
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

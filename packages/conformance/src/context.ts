import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AcquireAttempt,
  createLocks,
  type Granted,
  type HoldRef,
  type LockAdapter,
  type Locks,
  type LocksOptions,
} from '@holdfast/lock-core';
import { type Harness, type Timing, timingOf } from './harness.ts';

/** A hold that a case took from an adapter directly. */
export interface RawHold extends HoldRef {
  readonly granted: Granted;
  /** Monotonic ms before the request was sent: no lease can count from earlier. */
  readonly sentAt: number;
}

/** What a case works with. Everything made here is closed after the case, also when it failed. */
export interface Context {
  readonly harness: Harness;
  readonly timing: Timing;
  /** How long something that must happen may take: a lease, what the backend adds to it, and grace. */
  readonly boundMs: number;
  /** Figures for the report, by name. */
  readonly measures: Record<string, number>;

  /** A key that no other case or run uses. */
  key(): string;
  /** A new client of the backend, its connection warmed up. */
  client(): Promise<LockAdapter>;
  /** lock-core over a new client, or over the given adapter. Default TTL `longTtlMs`, default patience `boundMs`. */
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
  /** Lets a hold end without a release; the key stays free. */
  lapse(adapter: LockAdapter, key: string): Promise<void>;

  /** Monotonic ms. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Looks until `look` gives something other than `undefined` or `false`, within the bound or `withinMs`. */
  eventually<T>(
    what: string,
    look: () => T | Promise<T>,
    withinMs?: number,
  ): Promise<Exclude<Awaited<T>, undefined | false>>;
  /** Awaits `promise`, within the bound or `withinMs`. */
  soon<T>(what: string, promise: Promise<T>, withinMs?: number): Promise<T>;
}

/** 128 random bits, as the contract wants of an owner. */
export const newOwner = (): string => randomBytes(16).toString('hex');

/** Sums of floating-point times are off by less. */
const ROUNDING_MS = 0.001;

const nothing = (): void => {};

/** Makes the context of one case, and the function that closes what it made. */
export function openContext(harness: Harness, caseId: string): { context: Context; close: () => Promise<void> } {
  const timing = timingOf(harness);
  const boundMs = timing.leaseMs + harness.capabilities.ttl.maxOvershootMs + timing.graceMs;
  const never = new AbortController().signal;
  const closers: (() => Promise<void> | undefined)[] = [];
  let keys = 0;
  const now = () => performance.now();

  const context: Context = {
    harness,
    timing,
    boundMs,
    measures: {},

    key: () => `${caseId}-${newOwner()}-${keys++}`,

    async client() {
      const adapter = await harness.adapter();
      closers.push(() => adapter.close?.());
      const warmUp = context.attempt(context.key(), { ttlMs: timing.ttlMs });
      await adapter.tryAcquire(warmUp);
      await adapter.release(warmUp);
      return adapter;
    },

    async locks(options, adapter) {
      const over = adapter ?? (await context.client());
      const locks = createLocks(over, {
        ttlMs: timing.longTtlMs,
        waitMs: boundMs,
        ...harness.locksOptions,
        ...options,
      });
      closers.push(() => locks.close());
      return locks;
    },

    attempt: (key, more) => ({ key, owner: newOwner(), ttlMs: timing.longTtlMs, tokens: 1, signal: never, ...more }),

    async take(adapter, key, more) {
      const attempt = context.attempt(key, more);
      // The backend is left as it was found; what the case itself gave back or lost is no failure.
      closers.push(() => adapter.release(attempt).then(nothing, nothing));
      return context.eventually('a free key is granted', async () => {
        const sentAt = now();
        const granted = await adapter.tryAcquire(attempt);
        if (granted.status === 'busy') return undefined;
        return { key, owner: attempt.owner, fencingToken: granted.fencingToken, granted, sentAt };
      });
    },

    async assertBusy(adapter, key, why) {
      const stranger = context.attempt(key);
      const outcome = await adapter.tryAcquire(stranger);
      if (outcome.status === 'granted') await adapter.release(stranger);
      assert.equal(outcome.status, 'busy', `Another owner must be told "busy": ${why}`);
    },

    async assertFree(adapter, key, why) {
      const stranger = context.attempt(key);
      await context.eventually(
        `the key is free: ${why}`,
        async () => (await adapter.tryAcquire(stranger)).status === 'granted',
        timing.graceMs,
      );
      await adapter.release(stranger);
    },

    async takeOver(adapter, key, notBefore) {
      if (harness.capabilities.expiry === 'session') await harness.hooks?.revoke?.(key);
      const hold = await context.take(adapter, key);
      const earlyMs = notBefore - now();
      if (harness.capabilities.expiry === 'ttl') {
        assert.ok(
          earlyMs <= ROUNDING_MS,
          `Another owner was let in ${earlyMs.toFixed(1)} ms before the lease could have ended`,
        );
      }
      return hold;
    },

    async lapse(adapter, key) {
      if (harness.capabilities.expiry === 'session') return harness.hooks?.revoke?.(key);
      if (!adapter.inspect) return context.sleep(boundMs);
      await context.eventually('inspect reports the expired key as free', async () => {
        return (await adapter.inspect?.(key)) === undefined;
      });
    },

    now,
    sleep: (ms) => sleep(ms),

    async eventually<T>(what: string, look: () => T | Promise<T>, withinMs = boundMs) {
      const deadline = now() + withinMs;
      for (;;) {
        // The last look begins after the deadline, so a stalled machine does not fail the case.
        const isLast = now() >= deadline;
        const seen = await look();
        if (seen !== undefined && seen !== false) return seen as Exclude<Awaited<T>, undefined | false>;
        assert.ok(!isLast, `Not within ${Math.round(withinMs)} ms: ${what}`);
        await context.sleep(timing.pollMs);
      }
    },

    async soon(what, promise, withinMs = boundMs) {
      const timer = new AbortController();
      const late = sleep(withinMs, undefined, { signal: timer.signal }).then(
        // A settled promise still wins over a timer that a stalled machine fired late.
        () => sleep(timing.pollMs).then(() => assert.fail(`Not within ${Math.round(withinMs)} ms: ${what}`)),
        () => new Promise<never>(() => {}),
      );
      try {
        return await Promise.race([promise, late]);
      } finally {
        timer.abort();
      }
    },
  };

  const close = async () => {
    // Locks before the adapters under them; every one, whatever the others say.
    const failures: unknown[] = [];
    for (const closer of closers.reverse()) {
      try {
        await context.soon('close settles', Promise.resolve(closer()));
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `close failed: ${String(failures[0])}`);
  };
  return { context, close };
}

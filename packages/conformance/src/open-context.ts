import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { checkedAdapter } from './checked-adapter.ts';
import { type Context, newOwner } from './context.ts';
import type { ProxyTarget } from './faults/types.ts';
import { type Harness, timingOf } from './harness.ts';
import { noteEnds } from './key-ends.ts';
import { watchMachine } from './machine.ts';
import { openOutside } from './open-outside.ts';
import { Inconclusive, retryingAdapter, TooLate, untilKnown } from './retrying-adapter.ts';
import { randomFrom } from './stress/random.ts';
import { type WatchedBackend, watchBackend } from './watched-backend.ts';

/** Sums of floating-point times are off by less. */
const ROUNDING_MS = 0.001;

const nothing = (): void => {};
const notWithin = (ms: number, what: string) => `Not within ${Math.round(ms)} ms: ${what}`;

/** What all cases of a run share. */
export interface RunSettings {
  readonly seed: string;
  readonly latencyMs: number;
  readonly thorough: boolean;
}

/** The time for which a race is repeated. */
const raceMs = { usual: 400, thorough: 6_000 };
/** Chances for a fault after which one in 500 would have been seen with 99.9 %. */
const enoughChances = 3_500;
/** On a slow machine a race takes longer, rather than give fewer chances than this; one in 500 would be seen with 95 %. */
const fewestChances = 1_500;

/** What a case is given, and what ends it. */
export interface OpenContext {
  readonly context: Context;
  /** Which part of its time the case waited for this machine: its timers fired so much late. */
  lagged(): number;
  /** What was wrong with answers that no case looked at. */
  readonly wrongAnswers: ReadonlySet<string>;
  close(): Promise<void>;
}

/** Makes the context of one case, and the function that closes what it made. */
export function openContext(harness: Harness, caseId: string, settings: RunSettings): OpenContext {
  const { latencyMs, thorough } = settings;
  const timing = timingOf(harness, latencyMs);
  const ends = noteEnds(harness.capabilities);
  const [wrongAnswers, rejections]: [Set<string>, string[]] = [new Set(), []];
  const boundMs = timing.leaseMs + harness.capabilities.ttl.maxOvershootMs + timing.graceMs;
  const never = new AbortController().signal;
  setMaxListeners(0, never); // all attempts of a case have it
  const closers: (() => Promise<void> | undefined)[] = [];
  const healers: (() => Promise<void>)[] = [];
  const leftHolds: (() => Promise<void>)[] = [];
  const locksClosers: (() => Promise<void>)[] = [];
  const adapterClosers: (() => Promise<void> | undefined)[] = [];
  let keys = 0;
  const now = () => performance.now();
  const openedAt = now();
  const machine = watchMachine(timing.pollMs);

  let backend: WatchedBackend | undefined;
  let forcesByName = false;

  /** Time that the machine spent elsewhere is not held against the backend: each look counts for two polls at most. */
  const patienceOf = (withinMs: number) => {
    let spentMs = 0;
    let lookedAt = now();
    const isOver = () => {
      const at = now();
      spentMs += Math.min(at - lookedAt, 2 * timing.pollMs);
      lookedAt = at;
      return spentMs >= withinMs;
    };
    return { isOver };
  };

  const open = async (at?: readonly ProxyTarget[]): Promise<LockAdapter> => {
    const opened = await harness.adapter(at);
    // A function says how many arguments it takes; those around it do not.
    forcesByName ||= (opened.forceRelease?.length ?? 0) >= 2;
    const adapter = checkedAdapter(opened, harness.capabilities, {
      ends,
      onWrong: (what) => wrongAnswers.add(what),
      onRejected: (method, error) => rejections.push(`${method}: ${error}`),
    });
    adapterClosers.push(() => adapter.close?.());
    const warmUp = context.attempt(context.key(), { ttlMs: timing.ttlMs });
    // A new client may have to try more than once before it is connected.
    await untilKnown(context, 'a new client is connected', async () => {
      await adapter.tryAcquire(warmUp);
      await adapter.release(warmUp);
    });
    return adapter;
  };

  const context: Context = {
    ...openOutside({ harness, closers, healers, open, context: () => context, onProcess: ends.open }),
    harness,
    timing,
    boundMs,
    measures: {},
    rejections,
    get forcesByName() {
      return forcesByName;
    },
    latencyMs,
    slackMs: 120 + 3 * latencyMs,
    raceMs: thorough ? raceMs.thorough : raceMs.usual,
    thorough,
    random: randomFrom(`${settings.seed} ${caseId}`),

    key: () => `${caseId}-${newOwner()}-${keys++}`,

    client: async () => retryingAdapter(context, await open()),

    async locks(options, adapter) {
      const over = adapter ?? (await open());
      const locks = (harness.createLocks ?? createLocks)(over, {
        ttlMs: timing.longTtlMs,
        waitMs: 6 * boundMs,
        backendTimeoutMs: 6 * boundMs,
        attemptTimeoutMs: timing.graceMs,
        // Each plays a process: none is warned that it waits for what its own one holds.
        name: `client ${locksClosers.length + 1}`,
        ...harness.locksOptions,
        ...options,
      });
      locksClosers.push(() => locks.close());
      return locks;
    },

    attempt: (key, more) => ({ key, owner: newOwner(), ttlMs: timing.longTtlMs, tokens: 1, signal: never, ...more }),

    async take(adapter, key, more) {
      const attempt = context.attempt(key, more);
      // The backend is left as it was found; what the case itself gave back or lost is no failure.
      leftHolds.push(() => adapter.release(attempt).then(nothing, nothing));
      return context.eventually('a free key is granted', async () => {
        const sentAt = now();
        const granted = await adapter.tryAcquire(attempt);
        if (granted.status === 'busy') return undefined;
        const { owner, claim } = attempt;
        return { key, owner, claim, fencingToken: granted.fencingToken, granted, sentAt };
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

    async isHeld(adapter, key) {
      if (adapter.inspect) return (await adapter.inspect(key)) !== undefined;
      const stranger = context.attempt(key);
      const { status } = await adapter.tryAcquire(stranger);
      if (status === 'granted') await adapter.release(stranger);
      return status === 'busy';
    },

    async takeOver(adapter, key, notBefore) {
      if (harness.capabilities.expiry === 'session') await harness.hooks?.revoke?.(key);
      const hold = await context.take(adapter, key);
      const earlyMs = notBefore - now();
      if (harness.capabilities.expiry === 'ttl')
        context.assertNotEarly(earlyMs, 'Another owner was let in too early, before the lease could have ended');
      return hold;
    },

    async lapse(adapter, key) {
      if (harness.capabilities.expiry === 'session') return harness.hooks?.revoke?.(key);
      if (!adapter.inspect) return context.sleep(boundMs);
      await context.eventually('inspect reports the expired key as free', async () => {
        return (await adapter.inspect?.(key)) === undefined;
      });
    },

    answerOfLoser(ask) {
      if (harness.capabilities.expiry === 'ttl') return ask();
      return untilKnown(context, 'a client without a session answers', ask);
    },

    now,
    sleep: (ms) => sleep(ms),
    until: (ms) => sleep(Math.max(0, ms - now())),

    async race(round, { most = enoughChances, withinMs = context.raceMs } = {}) {
      const startedAt = now();
      let chances = 0;
      // The case has eight times the bound.
      const longestMs = Math.min(5 * context.raceMs, 5 * boundMs);
      const goesOn = () => {
        const spentMs = now() - startedAt;
        return chances < most && spentMs < (most >= enoughChances && chances < fewestChances ? longestMs : withinMs);
      };
      for (let nth = 0; nth === 0 || goesOn(); nth++) {
        chances += await round(nth);
        // An embedded backend answers within one turn of the event loop; other cases' timers must fire in time.
        await nextTurn();
      }
      context.measures.chances = (context.measures.chances ?? 0) + chances;
    },

    assertInTime(lateMs, message) {
      // What this machine was late by itself, in all, is not held against the backend.
      if (lateMs > context.slackMs + machine.lagMs()) throw new TooLate(message);
    },

    assertNotEarly(earlyMs, message) {
      const aheadMs = machine.aheadMs();
      const told = `${message}, by ${earlyMs.toFixed(1)} ms`;
      if (earlyMs > ROUNDING_MS && earlyMs <= aheadMs)
        throw new Inconclusive(`the wall clock of this machine ran ${Math.round(aheadMs)} ms ahead (${told})`);
      assert.ok(earlyMs <= ROUNDING_MS, told);
    },

    begin(promise) {
      promise.catch(nothing);
      return promise;
    },

    async eventually<T>(what: string, look: () => T | Promise<T>, withinMs = boundMs) {
      const patience = patienceOf(withinMs);
      for (;;) {
        const isLast = patience.isOver();
        const seen = await look();
        if (seen !== undefined && seen !== false) return seen as Exclude<Awaited<T>, undefined | false>;
        if (isLast) throw new TooLate(notWithin(withinMs, what));
        await context.sleep(timing.pollMs);
      }
    },

    async soon(what, promise, withinMs = boundMs) {
      const patience = patienceOf(withinMs);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        const look = () => {
          if (patience.isOver()) reject(new TooLate(notWithin(withinMs, what)));
          else timer = setTimeout(look, timing.pollMs);
        };
        timer = setTimeout(look, timing.pollMs);
      });
      try {
        return await Promise.race([promise, late]);
      } finally {
        clearTimeout(timer);
      }
    },

    async watchBackend() {
      backend ??= watchBackend(context, await open());
      leftHolds.push(async () => backend?.stop());
    },

    async assertMachineRan(withinMs) {
      // A stall that is only just over is measured in the next turns.
      await context.sleep(timing.pollMs);
      const callMs = backend?.worstMs() ?? 0;
      if (callMs > withinMs) throw new Inconclusive(`the backend was starved: a call took ${Math.round(callMs)} ms`);
      const stallMs = machine.worstStallMs();
      if (stallMs > withinMs) throw new Inconclusive(`the machine stalled for ${Math.round(stallMs)} ms`);
    },
  };

  const close = async () => {
    machine.stop();
    await Promise.all(healers.map((heal) => heal()));
    // What was left held, then locks, then the adapters under them: each kind side by side, and every one, whatever the others say.
    const failures: unknown[] = [];
    const run = async (closer: () => Promise<void> | undefined) => {
      try {
        // Locks wait for the clean-up as long as two of their attempts may take.
        await context.soon('close settles', Promise.resolve(closer()), 2 * boundMs);
      } catch (error) {
        failures.push(error);
      }
    };
    for (const sideBySide of [leftHolds, locksClosers, adapterClosers]) await Promise.all(sideBySide.map(run));
    for (const closer of closers.reverse()) await run(closer);
    if (failures.length > 0) throw new AggregateError(failures, `close failed: ${String(failures[0])}`);
  };
  const lagged = () => machine.lagMs() / (now() - openedAt);
  return { context, wrongAnswers, lagged, close };
}

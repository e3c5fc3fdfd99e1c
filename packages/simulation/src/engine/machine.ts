import { AsyncResource } from 'node:async_hooks';
import type { Random } from '../random.ts';
import type { Scheduled, World } from './world.ts';

/** One simulated process: its clocks, its timers, and whether it runs at all. */
export interface Machine {
  readonly name: string;
  readonly world: World;
  readonly random: Random;
  readonly state: 'running' | 'paused' | 'crashed';
  /** How many timers the shipped code has armed, unref'ed ones included. */
  readonly timers: number;
  /** For how long it has stood still, all in all. */
  readonly stoodStillMs: number;
  /** For how long its monotonic clock stood still as well. */
  readonly sleptMs: number;
  /** A timer of the application itself. */
  later(delayMs: number, callback: () => void): void;
  /** Leaves a timer of a client library out of the count. */
  discount(timer: Timer): void;
  /** The monotonic clock. */
  now(): number;
  /** The wall clock, in ms since 1970. */
  wallNow(): number;
  setTimeout(callback: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]): Timer;
  setInterval(callback: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]): Timer;
  setImmediate(callback: (...args: unknown[]) => void, ...args: unknown[]): Timer;
  clear(timer: unknown): void;
  /** Runs `run` when something arrives for this process: now, when it runs again, or never. */
  receive(run: () => void): void;
  /** Nothing of it runs for so long; what becomes due meanwhile runs at the end. */
  pause(durationMs: number): void;
  /** As `pause`, and the monotonic clock stands still, as on a machine that sleeps. */
  suspend(durationMs: number): void;
  stepWall(byMs: number): void;
  crash(): void;
}

/** How far a clock is from the world's. */
export interface ClockTerms {
  /** Its speed; 1.001 gains a millisecond in every second. */
  readonly rate: number;
  readonly wallOffsetMs: number;
}

const wallEpoch = 1_700_000_000_000;
const longestDelay = 2 ** 31 - 1;

/** What `setTimeout` returns, as far as libraries use it. */
export class Timer {
  scheduled: Scheduled | undefined;
  readonly #arm: (timer: Timer) => void;
  readonly resource: AsyncResource;
  readonly callback: (...args: unknown[]) => void;
  readonly args: unknown[];
  readonly delayMs: number;
  readonly repeats: boolean;

  constructor(
    arm: (timer: Timer) => void,
    callback: (...args: unknown[]) => void,
    args: unknown[],
    delayMs: number,
    repeats: boolean,
  ) {
    this.#arm = arm;
    this.resource = new AsyncResource('Timeout');
    this.callback = callback;
    this.args = args;
    this.delayMs = delayMs;
    this.repeats = repeats;
  }

  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  refresh(): this {
    if (this.scheduled !== undefined) this.#arm(this);
    return this;
  }
  [Symbol.toPrimitive](): number {
    return 1;
  }
  [Symbol.dispose](): void {
    if (this.scheduled) this.scheduled.cancelled = true;
  }
}

export function createMachine(world: World, name: string, terms: ClockTerms, origin = 0): Machine {
  const random = world.random.fork(`machine ${name}`);
  const startedAt = world.now;
  let sleptMs = 0;
  let wallOffset = terms.wallOffsetMs;
  let state: Machine['state'] = 'running';
  let resumeAt = 0;
  let stoppedAt = 0;
  let stoodStillMs = 0;
  let waiting: { readonly isTimer: boolean; readonly run: () => void }[] = [];
  const armed = new Set<Timer>();
  const uncounted = new WeakSet<Timer>();

  const now = (): number => origin + (world.now - startedAt - sleptMs) * terms.rate;

  function receive(run: () => void, isTimer = false): void {
    if (state === 'crashed') return;
    if (state === 'paused') waiting.push({ isTimer, run });
    else run();
  }

  function fire(timer: Timer): void {
    if (!armed.has(timer)) return;
    if (timer.repeats) arm(timer);
    else {
      armed.delete(timer);
      timer.scheduled = undefined;
    }
    timer.resource.runInAsyncScope(timer.callback, undefined, ...timer.args);
  }

  function arm(timer: Timer): void {
    if (timer.scheduled) timer.scheduled.cancelled = true;
    armed.add(timer);
    // Node counts whole ms from a clock that it reads once per turn: a timer may come a little early, and may be late.
    const jitterMs = timer.delayMs < 0 ? 0 : random.next() * 1.4 - 0.4;
    const delayMs = Math.max(0.001, timer.delayMs + jitterMs) / terms.rate;
    timer.scheduled = world.after(delayMs, () => receive(() => fire(timer), true));
  }

  function start(
    callback: (...args: unknown[]) => void,
    delayMs: number | undefined,
    args: unknown[],
    repeats: boolean,
  ): Timer {
    if (typeof callback !== 'function') throw new TypeError('The "callback" argument must be of type function.');
    const wanted = Number(delayMs);
    const timer = new Timer(
      arm,
      callback,
      args,
      wanted >= 1 && wanted <= longestDelay ? Math.trunc(wanted) : 1,
      repeats,
    );
    arm(timer);
    return timer;
  }

  function pause(durationMs: number): void {
    if (state === 'crashed') return;
    if (state === 'running') stoppedAt = world.now;
    state = 'paused';
    resumeAt = Math.max(resumeAt, world.now + durationMs);
    world.at(resumeAt, resume);
  }

  function resume(): void {
    if (state !== 'paused' || world.now < resumeAt) return;
    state = 'running';
    stoodStillMs += world.now - stoppedAt;
    // A loop that stood in its timers' phase reads the sockets next; one that stood elsewhere fires its timers next.
    const timersFirst = random.chance(0.5);
    const due = waiting.toSorted(
      (a, b) => Number(timersFirst ? b.isTimer : a.isTimer) - Number(timersFirst ? a.isTimer : b.isTimer),
    );
    waiting = [];
    // Each is an event of its own, so that promises settle in between.
    for (const { run, isTimer } of due) world.after(0, () => receive(run, isTimer));
  }

  return {
    name,
    world,
    random,
    get state() {
      return state;
    },
    get timers() {
      return [...armed].filter((timer) => !uncounted.has(timer)).length;
    },
    get stoodStillMs() {
      return stoodStillMs + (state === 'paused' ? world.now - stoppedAt : 0);
    },
    get sleptMs() {
      return sleptMs;
    },
    later(delayMs, callback) {
      uncounted.add(start(callback, delayMs, [], false));
    },
    discount: (timer) => void uncounted.add(timer),
    now,
    wallNow: () => wallEpoch + world.now * terms.rate + wallOffset,
    setTimeout: (callback, delayMs, ...args) => start(callback, delayMs, args, false),
    setInterval: (callback, delayMs, ...args) => start(callback, delayMs, args, true),
    setImmediate(callback, ...args) {
      const timer = new Timer(arm, callback, args, -1, false);
      arm(timer);
      return timer;
    },
    clear(timer) {
      if (!(timer instanceof Timer)) return;
      armed.delete(timer);
      if (timer.scheduled) timer.scheduled.cancelled = true;
      timer.scheduled = undefined;
    },
    receive,
    pause,
    suspend(durationMs) {
      // One that stands still already sleeps only for what is beyond that.
      const until = state === 'paused' ? Math.max(world.now, resumeAt) : world.now;
      const asleepMs = Math.max(0, world.now + durationMs - until);
      pause(durationMs);
      sleptMs += asleepMs;
      // Timers count on the monotonic clock.
      for (const timer of armed) {
        const { scheduled } = timer;
        if (scheduled === undefined || scheduled.at < world.now) continue;
        scheduled.cancelled = true;
        timer.scheduled = world.at(scheduled.at + asleepMs, () => receive(() => fire(timer), true));
      }
    },
    stepWall(byMs) {
      wallOffset += byMs;
    },
    crash() {
      state = 'crashed';
      waiting = [];
      for (const timer of armed) if (timer.scheduled) timer.scheduled.cancelled = true;
      armed.clear();
    },
  };
}

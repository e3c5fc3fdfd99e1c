// What the core takes from Node: clocks and timers, abort signals, the end of the process. The timers are imported, not the globals: a
// test runner that replaces those for a while must neither stop nor wedge the timers of a `Locks` that outlives the test, nor leave a
// process alive, even if this module is loaded meanwhile (H129).
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';

/** Time, injected so that tests run in milliseconds. */
export interface Clock {
  /** Monotonic ms; never steps. All leases count on it (H49). */
  now(): number;
  /** Wall-clock ms, used only to notice that the machine was asleep, and to tell people since when a lock is requested or held. */
  wallNow(): number;
  /** A timer that does not keep the process alive. */
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The clocks of the machine, with timers that do not keep the process alive. */
export const systemClock: Clock = {
  now: performance.now.bind(performance),
  wallNow: Date.now,
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/**
 * A controller whose signal may have any number of listeners: a holder passes it to everything it does, and an adapter
 * listens with each attempt of an outage. Node would warn of a leak from the eleventh listener on.
 */
export function sharedController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal);
  return controller;
}

// Thousands of callers may wait on one signal, through several `Locks`. It gets one listener for all of them, since Node warns
// of a leak from the eleventh on.
const callbacksOf = new Map<AbortSignal, Set<() => void>>();

/** Calls back when the caller's signal aborts, until the returned function is called. */
export function onceAborted(signal: AbortSignal, onAbort: () => void): () => void {
  let callbacks = callbacksOf.get(signal);
  if (callbacks === undefined) {
    callbacks = new Set();
    callbacksOf.set(signal, callbacks);
    signal.addEventListener('abort', tellAll, { once: true });
  }
  callbacks.add(onAbort);
  return () => {
    callbacks.delete(onAbort);
    if (callbacks.size > 0 || callbacksOf.get(signal) !== callbacks) return;
    callbacksOf.delete(signal);
    signal.removeEventListener('abort', tellAll);
  };
}

// One function for all signals, so that it can be removed without keeping one for each.
function tellAll(event: Event): void {
  const signal = event.target as AbortSignal;
  const callbacks = [...(callbacksOf.get(signal) ?? [])];
  callbacksOf.delete(signal);
  // From the last to the first: the first in the queue would make room for one that is leaving as well.
  for (const callback of callbacks.reverse()) callback();
}

const longMs = 2 ** 30;

/** Keeps the process alive until the returned function is called. */
export function keepProcessAlive(): () => void {
  const timer = setInterval(() => {}, longMs);
  return () => clearInterval(timer);
}

/**
 * Keeps the process alive while a caller waits, for a busy lock or for an answer: leases and their timers do not, a backend
 * inside the process has no socket that would, and a client may be left without one (H55). It looks only when the process is
 * about to end, so that it costs an acquisition nothing.
 */
export class ProcessKeepalive {
  readonly #pending: () => Iterable<{ keptAlive: boolean }>;
  readonly #calls = new Set<object>();
  readonly #waiting = new Set<object>();
  readonly #reference = new WeakRef<ProcessKeepalive>(this);
  #stop: (() => void) | undefined;

  /** `pending` gives all acquisitions whose caller waits. */
  constructor(pending: () => Iterable<{ keptAlive: boolean }>) {
    this.#pending = pending;
    if (open.size === 0) process.on('beforeExit', outliveWaiters);
    open.add(this.#reference);
  }

  /** Called when the process has nothing else to do. */
  outliveWaiters(): void {
    for (const acquisition of this.#pending()) {
      acquisition.keptAlive = true;
      this.#waiting.add(acquisition);
    }
    for (const call of this.#calls) this.#waiting.add(call);
    if (this.#waiting.size > 0) this.#stop ??= keepProcessAlive();
  }

  /** The caller has its answer. */
  done(waiting: object): void {
    if (!this.#waiting.delete(waiting) || this.#waiting.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Runs a call whose caller waits, for something other than a lock. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    this.#calls.add(call);
    try {
      return await call();
    } finally {
      this.#calls.delete(call);
      this.done(call);
    }
  }

  /** Nobody waits any more. */
  close(): void {
    forget(this.#reference);
  }
}

// Weak: `Locks` that nobody closes must not stay in memory for this. While a caller waits, its time-out keeps them.
const open = new Set<WeakRef<ProcessKeepalive>>();

function outliveWaiters(): void {
  for (const reference of open) {
    const keepalive = reference.deref();
    if (keepalive === undefined) forget(reference);
    else keepalive.outliveWaiters();
  }
}

function forget(reference: WeakRef<ProcessKeepalive>): void {
  open.delete(reference);
  if (open.size === 0) process.off('beforeExit', outliveWaiters);
}

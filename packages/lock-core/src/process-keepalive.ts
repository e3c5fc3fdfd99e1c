// As in clock.ts: fake timers must not leave a process alive, or let it end.
import { clearInterval, setInterval } from 'node:timers';
import type { Acquisition, KeyState } from './key-state.ts';

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
  readonly #keys: ReadonlyMap<string, KeyState>;
  readonly #singleAttempts: ReadonlySet<Acquisition>;
  readonly #calls = new Set<object>();
  readonly #waiting = new Set<object>();
  readonly #reference = new WeakRef<ProcessKeepalive>(this);
  #stop: (() => void) | undefined;

  constructor(keys: ReadonlyMap<string, KeyState>, singleAttempts: ReadonlySet<Acquisition>) {
    this.#keys = keys;
    this.#singleAttempts = singleAttempts;
    if (open.size === 0) process.on('beforeExit', outliveWaiters);
    open.add(this.#reference);
  }

  /** Called when the process has nothing else to do. */
  outliveWaiters(): void {
    for (const acquisition of pendingAcquisitions(this.#keys, this.#singleAttempts)) {
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

/** All pending acquisitions, in the queues of their keys and outside of them. */
export function* pendingAcquisitions(
  keys: ReadonlyMap<string, KeyState>,
  singleAttempts: ReadonlySet<Acquisition>,
): Generator<Acquisition> {
  for (const keyState of keys.values()) {
    for (let acquisition = keyState.first; acquisition !== undefined; acquisition = acquisition.after)
      yield acquisition;
  }
  yield* singleAttempts;
}

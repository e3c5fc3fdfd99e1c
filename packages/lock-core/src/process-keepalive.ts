import type { Waiter } from './acquisition.ts';
import type { Core } from './context.ts';
import type { KeyState } from './key-state.ts';

const longMs = 2 ** 30;

/**
 * Keeps the process alive while a caller waits, for a busy lock or for an answer: leases and their timers do not, a backend
 * inside the process has no socket that would, and a client may be left without one (H55). It is seen to only when the
 * process is about to end, so that it costs an acquisition nothing.
 */
export interface KeepAlive {
  /** The waiter has been told. */
  done(waiter: Waiter): void;
  /** Runs a call whose caller waits, for something other than a lock. */
  during<T>(call: () => Promise<T>): Promise<T>;
  /** Nobody waits any more. */
  close(): void;
}

// Weak, since locks that nobody closes are not to stay for this; while somebody waits, the timer of his time-out has them.
const open = new Map<WeakRef<Core>, (waiters: Iterable<object>) => void>();

export function createKeepAlive(core: Core): KeepAlive {
  const calls = new Set<object>();
  const waiting = new Set<object>();
  let timer: NodeJS.Timeout | undefined;
  const reference = new WeakRef(core);
  if (open.size === 0) process.on('beforeExit', outliveWaiters);
  open.set(reference, (waiters) => {
    for (const one of [...waiters, ...calls]) waiting.add(one);
    if (waiting.size > 0) timer ??= setInterval(() => {}, longMs);
  });
  const done = (one: object): void => {
    if (!waiting.delete(one) || waiting.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  return {
    done,
    async during(call) {
      const one = {};
      calls.add(one);
      try {
        return await call();
      } finally {
        calls.delete(one);
        done(one);
      }
    },
    close: () => forget(reference),
  };
}

function outliveWaiters(): void {
  for (const [reference, keep] of open) {
    const core = reference.deref();
    if (core === undefined) forget(reference);
    else keep(Array.from(waitersOf(core), ([, waiter]) => waiter));
  }
}

function forget(reference: WeakRef<Core>): void {
  open.delete(reference);
  if (open.size === 0) process.off('beforeExit', outliveWaiters);
}

/** All callers on their way to a lock, with the keyState of the key. */
export function* waitersOf(core: Core): Generator<[KeyState, Waiter]> {
  for (const keyState of core.keys.values()) {
    for (let waiter = keyState.first; waiter !== undefined; waiter = waiter.after) yield [keyState, waiter];
  }
  for (const waiter of core.visitors) {
    const keyState = core.keys.get(waiter.key);
    if (keyState !== undefined) yield [keyState, waiter];
  }
}

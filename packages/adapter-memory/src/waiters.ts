import type { AcquireAttempt, Granted } from '@holdfast/lock-core';
import { endHold, type Hold, type OpenStore, type Waiter, type Watcher, watchExpiry } from './store.ts';

/** Everything that an adapter has pending, so that closing it can end it. */
export type Pending = Set<{ cancel(reason: unknown): void }>;

/** Takes a place behind `hold`; the place goes when `signal` aborts. */
export function waitInQueue(
  store: OpenStore,
  pending: Pending,
  hold: Hold,
  attempt: AcquireAttempt,
  tokens: number,
  signal: AbortSignal,
  calledAt: number,
): Promise<Granted> {
  const { key, owner } = attempt;
  return new Promise((resolve, reject) => {
    const onAbort = () => waiter.cancel(signal.reason);
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      pending.delete(waiter);
    };
    const waiter: Waiter = {
      owner,
      ttlMs: attempt.ttlMs,
      tokens,
      calledAt,
      grant(granted) {
        settle();
        resolve(granted);
      },
      cancel(reason) {
        settle();
        leaveQueue(store, key, waiter);
        reject(reason);
      },
    };
    hold.queue ??= new Map();
    const earlier = hold.queue.get(owner);
    // Asked again: the place stays the owner's, the newer call gets its answer.
    hold.queue.set(owner, waiter);
    earlier?.cancel(new Error(`The owner asked again for "${key}"; the newer call has its place in the queue`));
    pending.add(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    watchExpiry(store, key, hold, calledAt);
    attempt.onQueued?.();
  });
}

function leaveQueue(store: OpenStore, key: string, waiter: Waiter): void {
  const hold = store.holds.get(key);
  if (hold?.queue?.get(waiter.owner) !== waiter) return;
  hold.queue.delete(waiter.owner);
  const now = store.clock.now();
  // The hold may have ended long ago, with its timer still to fire.
  if (now < hold.expiresAt) watchExpiry(store, key, hold, now);
  else endHold(store, key, hold, now);
}

const subscribed = Promise.resolve();

/** The first call for a signal subscribes; each further one resolves at the next hint. */
export function waitForHint(
  store: OpenStore,
  pending: Pending,
  client: object,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const watchers = store.watchers.get(key) ?? new Set();
  for (const known of watchers) if (known.client === client && known.signal === signal) return known.next();

  let calls: { resolve(): void; reject(reason: unknown): void }[] = [];
  const takeCalls = () => {
    const taken = calls;
    calls = [];
    return taken;
  };
  const onAbort = () => watcher.cancel(signal.reason);
  const watcher: Watcher = {
    client,
    signal,
    next: () => new Promise((resolve, reject) => calls.push({ resolve, reject })),
    wake() {
      for (const call of takeCalls()) call.resolve();
    },
    cancel(reason) {
      signal.removeEventListener('abort', onAbort);
      pending.delete(watcher);
      watchers.delete(watcher);
      if (watchers.size === 0) store.watchers.delete(key);
      for (const call of takeCalls()) call.reject(reason);
    },
  };
  watchers.add(watcher);
  store.watchers.set(key, watchers);
  pending.add(watcher);
  signal.addEventListener('abort', onAbort, { once: true });
  return subscribed;
}

import type { AcquireAttempt, Claim, Granted } from '@holdfast/lock-core';
import { type Entry, type OpenStore, settle, type Waiter, type Watcher, watchExpiry } from './store.ts';

/** Everything that an adapter has pending, so that closing it can end it. */
export type Pending = Set<{ cancel(reason: unknown): void }>;

/** Takes a place in the queue of a key in use; the place goes when `signal` aborts. */
export function waitInQueue(
  store: OpenStore,
  pending: Pending,
  entry: Entry,
  attempt: AcquireAttempt,
  claim: Claim,
  tokens: number,
  signal: AbortSignal,
  calledAt: number,
): Promise<Granted> {
  const { key, owner } = attempt;
  return new Promise((resolve, reject) => {
    const onAbort = () => waiter.cancel(signal.reason);
    const end = () => {
      signal.removeEventListener('abort', onAbort);
      pending.delete(waiter);
    };
    const waiter: Waiter = {
      owner,
      claim,
      ttlMs: attempt.ttlMs,
      tokens,
      calledAt,
      grant(granted) {
        end();
        resolve(granted);
      },
      cancel(reason) {
        end();
        leaveQueue(store, key, waiter);
        reject(reason);
      },
    };
    entry.queue ??= new Map();
    const earlier = entry.queue.get(owner);
    // Asked again: the place stays the owner's, the newer call gets its answer.
    entry.queue.set(owner, waiter);
    earlier?.cancel(new Error(`The owner asked again for "${key}"; the newer call has its place in the queue`));
    pending.add(waiter);
    signal.addEventListener('abort', onAbort, { once: true });
    watchExpiry(store, key, entry, calledAt);
    attempt.onQueued?.();
  });
}

function leaveQueue(store: OpenStore, key: string, waiter: Waiter): void {
  const entry = store.entries.get(key);
  if (entry?.queue?.get(waiter.owner) !== waiter) return;
  entry.queue.delete(waiter.owner);
  // The one behind it may be compatible, and a hold may have ended long ago, with its timer still to fire.
  settle(store, key, entry, store.clock.now());
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

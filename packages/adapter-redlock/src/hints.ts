import type { LockAdapter } from '@holdfast/lock-core';

// Sooner than anybody can have taken the lock and given it back.
const lateForMs = 1;

/** Wake-up hints from all nodes. */
export interface MajorityHints {
  /** As `LockAdapter.whenFree`. */
  whenFree(key: string, signal: AbortSignal): Promise<void>;
  /** Whether somebody here listens for the key. */
  listens(key: string): boolean;
}

/** What one waiter has heard. */
interface Waiter {
  /** The nodes that have told of a release since the last hint. */
  heard: Set<LockAdapter>;
  /** Those that may still tell of the release that was hinted, until then. */
  late: Set<LockAdapter>;
  lateUntil: number;
  standing: number;
  failed: number;
  pending: { resolve: () => void; reject: (reason: unknown) => void }[];
  failure: unknown;
}

/**
 * `whenFree` over all nodes: one hint for a release, once a majority of them has told of it, since before that most still hold
 * the lock. A node that is down tells nothing, but gave no vote either.
 */
export function majorityHints(nodes: readonly LockAdapter[], majority: number, now: () => number): MajorityHints {
  // By key and signal, those whose subscriptions have not ended.
  const waiters = new Map<string, Map<AbortSignal, Waiter>>();

  function remember(key: string, signal: AbortSignal, waiter: Waiter): void {
    const ofKey = waiters.get(key) ?? new Map<AbortSignal, Waiter>();
    waiters.set(key, ofKey.set(signal, waiter));
    const forget = (): void => {
      ofKey.delete(signal);
      if (ofKey.size === 0) waiters.delete(key);
    };
    signal.addEventListener('abort', forget, { once: true });
  }

  function settle(waiter: Waiter, reason?: unknown): void {
    const { pending } = waiter;
    waiter.pending = [];
    for (const { resolve, reject } of pending) reason === undefined ? resolve() : reject(reason);
  }

  function listen(node: LockAdapter, key: string, signal: AbortSignal, waiter: Waiter, onHint: () => void): void {
    const order = (): void => {
      node.whenFree?.(key, signal).then(
        () => {
          // Ordered again first, so that the next message is not missed.
          order();
          onHint();
        },
        (error: unknown) => {
          waiter.failed += 1;
          if (signal.aborted) return settle(waiter, signal.reason);
          if (waiter.failed <= nodes.length - majority) return;
          waiter.failure = error;
          settle(waiter, error);
        },
      );
    };
    order();
  }

  function subscribe(key: string, signal: AbortSignal, waiter: Waiter): void {
    remember(key, signal, waiter);
    for (const node of nodes) {
      let stands = false;
      listen(node, key, signal, waiter, () => {
        if (!stands) {
          stands = true;
          waiter.standing += 1;
          if (waiter.standing === majority) settle(waiter);
          return;
        }
        if (waiter.late.delete(node) && now() < waiter.lateUntil) return;
        waiter.heard.add(node);
        if (waiter.heard.size < majority || waiter.standing < majority) return;
        waiter.late = new Set(nodes.filter((other) => !waiter.heard.has(other)));
        waiter.lateUntil = now() + lateForMs;
        waiter.heard.clear();
        settle(waiter);
      });
    }
  }

  function whenFree(key: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    let waiter = waiters.get(key)?.get(signal);
    if (waiter?.failure !== undefined) return Promise.reject(waiter.failure);
    const isNew = waiter === undefined;
    waiter ??= {
      heard: new Set(),
      late: new Set(),
      lateUntil: 0,
      standing: 0,
      failed: 0,
      pending: [],
      failure: undefined,
    };
    const { pending } = waiter;
    const hint = new Promise<void>((resolve, reject) => pending.push({ resolve, reject }));
    if (isNew) subscribe(key, signal, waiter);
    return hint;
  }

  return { whenFree, listens: (key) => waiters.has(key) };
}

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
interface Ear {
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
  const ears = new Map<string, Map<AbortSignal, Ear>>();

  function remember(key: string, signal: AbortSignal, ear: Ear): void {
    const ofKey = ears.get(key) ?? new Map<AbortSignal, Ear>();
    ears.set(key, ofKey.set(signal, ear));
    const forget = (): void => {
      ofKey.delete(signal);
      if (ofKey.size === 0) ears.delete(key);
    };
    signal.addEventListener('abort', forget, { once: true });
  }

  function settle(ear: Ear, reason?: unknown): void {
    const { pending } = ear;
    ear.pending = [];
    for (const { resolve, reject } of pending) reason === undefined ? resolve() : reject(reason);
  }

  function listen(node: LockAdapter, key: string, signal: AbortSignal, ear: Ear, onHint: () => void): void {
    const order = (): void => {
      node.whenFree?.(key, signal).then(
        () => {
          // Ordered again first, so that the next message is not missed.
          order();
          onHint();
        },
        (error: unknown) => {
          ear.failed += 1;
          if (signal.aborted) return settle(ear, signal.reason);
          if (ear.failed <= nodes.length - majority) return;
          ear.failure = error;
          settle(ear, error);
        },
      );
    };
    order();
  }

  function subscribe(key: string, signal: AbortSignal, ear: Ear): void {
    remember(key, signal, ear);
    for (const node of nodes) {
      let stands = false;
      listen(node, key, signal, ear, () => {
        if (!stands) {
          stands = true;
          ear.standing += 1;
          if (ear.standing === majority) settle(ear);
          return;
        }
        if (ear.late.delete(node) && now() < ear.lateUntil) return;
        ear.heard.add(node);
        if (ear.heard.size < majority || ear.standing < majority) return;
        ear.late = new Set(nodes.filter((other) => !ear.heard.has(other)));
        ear.lateUntil = now() + lateForMs;
        ear.heard.clear();
        settle(ear);
      });
    }
  }

  function whenFree(key: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    let ear = ears.get(key)?.get(signal);
    if (ear?.failure !== undefined) return Promise.reject(ear.failure);
    const isNew = ear === undefined;
    ear ??= {
      heard: new Set(),
      late: new Set(),
      lateUntil: 0,
      standing: 0,
      failed: 0,
      pending: [],
      failure: undefined,
    };
    const { pending } = ear;
    const hint = new Promise<void>((resolve, reject) => pending.push({ resolve, reject }));
    if (isNew) subscribe(key, signal, ear);
    return hint;
  }

  return { whenFree, listens: (key) => ears.has(key) };
}

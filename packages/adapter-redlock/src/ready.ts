import { isLockError } from '@holdfast/lock-core';
import type { RedisNode } from './redis-node.ts';

/** Whether enough nodes are connected and known to make a majority. */
export function isReady(nodes: readonly RedisNode[], majority: number): boolean {
  let ready = 0;
  for (const node of nodes) if (node.ready) ready += 1;
  return ready >= majority;
}

/** What to wait for, and how to tell that it did not come. */
export interface Readiness {
  readonly nodes: readonly RedisNode[];
  readonly majority: number;
  /** How long those that have not answered may still turn a failure into a refusal. */
  readonly after: (callback: () => void) => () => void;
  readonly failure: (errors: readonly unknown[]) => unknown;
}

/** Resolves when a majority is connected and known; rejects when too many fail to be, and when `signal` aborts (H27). */
export async function enoughReady({ nodes, majority, after, failure }: Readiness, signal: AbortSignal): Promise<void> {
  const end = new AbortController();
  const giveUp = (): void => end.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  let cancelTimer = (): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const spare = nodes.length - majority;
      const errors: unknown[] = [];
      let ready = 0;
      let refused = 0;
      const fail = (error: unknown): void => {
        if (signal.aborted) return reject(signal.reason);
        if (errors.length === spare) cancelTimer = after(() => reject(failure(errors)));
        errors.push(error);
        if (isLockError(error) && !error.retryable) refused += 1;
        const pending = nodes.length - ready - errors.length;
        // Those that have not answered may turn out to refuse, which says more.
        const undecided = refused <= spare && refused + pending > spare;
        if (errors.length > spare && !undecided) reject(failure(errors));
      };
      for (const node of nodes) {
        node.whenReady(end.signal).then(() => {
          ready += 1;
          if (ready >= majority) resolve();
        }, fail);
      }
    });
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', giveUp);
    end.abort();
  }
}

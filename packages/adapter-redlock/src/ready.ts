import { isLockError } from '@holdfast/lock-core';
import type { RedisNode } from './redis-node.ts';

/** Whether enough nodes are connected and known to make a majority. */
export function isReady(nodes: readonly RedisNode[], majority: number): boolean {
  let ready = 0;
  for (const node of nodes) if (node.ready) ready += 1;
  return ready >= majority;
}

/** Why too few nodes would be asked now, although enough are connected: the others do not answer. */
export function tooFewAnswer(nodes: readonly RedisNode[], majority: number): readonly unknown[] | undefined {
  let askable = 0;
  for (const node of nodes) if (node.ready && !node.paused) askable += 1;
  if (askable >= majority) return undefined;
  return nodes.filter(({ paused }) => paused).map((node) => node.error('it does not answer'));
}

/** What to wait for. */
export interface Readiness {
  readonly nodes: readonly RedisNode[];
  readonly majority: number;
  /** How long those that have not answered may still turn a failure into a refusal. */
  readonly after: (callback: () => void) => () => void;
}

/** Waits until a majority is connected and known; resolves to the reasons when too many fail to be, or `signal` aborts (H27). */
export async function enoughReady(
  { nodes, majority, after }: Readiness,
  signal: AbortSignal,
): Promise<readonly unknown[] | undefined> {
  const end = new AbortController();
  const giveUp = (): void => end.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  let cancelTimer = (): void => {};
  try {
    return await new Promise((resolve) => {
      if (signal.aborted) return resolve([signal.reason]);
      const spare = nodes.length - majority;
      const errors: unknown[] = [];
      let ready = 0;
      let refused = 0;
      const fail = (error: unknown): void => {
        if (signal.aborted) return resolve([signal.reason]);
        if (errors.length === spare) cancelTimer = after(() => resolve(errors));
        errors.push(error);
        if (isLockError(error) && !error.retryable) refused += 1;
        const pending = nodes.length - ready - errors.length;
        // Those that have not answered may turn out to refuse, which says more.
        const undecided = refused <= spare && refused + pending > spare;
        if (errors.length > spare && !undecided) resolve(errors);
      };
      for (const node of nodes) {
        node.whenReady(end.signal).then(() => {
          ready += 1;
          if (ready >= majority) resolve(undefined);
        }, fail);
      }
    });
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', giveUp);
    end.abort();
  }
}

import { isLockError } from '@holdfast/lock-core';
import type { RedisNode } from './redis-node.ts';

/** Whether enough nodes are connected and known to make a majority. */
export function isReady(nodes: readonly RedisNode[], majority: number): boolean {
  let ready = 0;
  for (const node of nodes) if (node.ready) ready += 1;
  return ready >= majority;
}

/** Whether so many of the connected nodes do not answer that the others are no majority. */
export function tooFewAnswer(nodes: readonly RedisNode[], majority: number): boolean {
  let askable = 0;
  for (const node of nodes) if (node.ready && !node.breaker.paused) askable += 1;
  return askable < majority;
}

/**
 * Waits until enough nodes answer again; resolves to the reasons when `after` calls back first, or `signal` aborts. Meanwhile
 * nothing is sent: what is on its way will be answered first (H116).
 */
export function enoughAnswer(
  { nodes, majority, after }: Readiness,
  signal: AbortSignal,
): Promise<readonly unknown[] | undefined> {
  return new Promise((resolve) => {
    let forget: readonly (() => void)[] = [];
    const finish = (errors?: readonly unknown[]): void => {
      for (const each of forget) each();
      cancelTimer();
      signal.removeEventListener('abort', giveUp);
      resolve(errors);
    };
    const giveUp = (): void =>
      finish(nodes.filter(({ breaker }) => breaker.paused).map((node) => node.error('it does not answer')));
    const listen = (): void => {
      for (const each of forget) each();
      forget = nodes.map((node) => node.breaker.onAnswer(look));
    };
    const look = (): void => (tooFewAnswer(nodes, majority) ? listen() : finish());
    const cancelTimer = after(giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    else listen();
  });
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
        // A node that has not answered yet may still refuse, which says more.
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

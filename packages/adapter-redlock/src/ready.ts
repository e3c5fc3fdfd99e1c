import type { RedisNode } from './redis-node.ts';

/** Whether enough nodes are connected to make a majority. */
export function isReady(nodes: readonly RedisNode[], majority: number): boolean {
  let ready = 0;
  for (const node of nodes) if (node.ready) ready += 1;
  return ready >= majority;
}

/** Resolves when a majority is connected; rejects when too many fail to, and when `signal` aborts (H27). */
export async function enoughReady(nodes: readonly RedisNode[], majority: number, signal: AbortSignal): Promise<void> {
  if (isReady(nodes, majority)) return;
  const waiting = nodes.filter((node) => !node.ready);
  let missing = majority - (nodes.length - waiting.length);
  let mayFail = waiting.length - missing;
  const enough = new AbortController();
  const giveUp = (): void => enough.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      for (const node of waiting) {
        node.whenReady(enough.signal).then(
          () => {
            missing -= 1;
            if (missing === 0) resolve();
          },
          (error: unknown) => {
            mayFail -= 1;
            if (signal.aborted || mayFail < 0) reject(signal.aborted ? signal.reason : error);
          },
        );
      }
    });
  } finally {
    signal.removeEventListener('abort', giveUp);
    enough.abort();
  }
}

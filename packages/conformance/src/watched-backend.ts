import type { LockAdapter } from '@holdfast/lock-core';
import type { Context } from './context.ts';

/** How long the backend keeps a client waiting that asks for nothing but a free key. */
export interface WatchedBackend {
  /** The longest call so far, in ms; one that is under way counts. */
  worstMs(): number;
  stop(): Promise<void>;
}

/** Asks for a key and gives it back, again and again. What it is answered is no concern of the case. */
export function watchBackend({ attempt, key, now, sleep, timing }: Context, adapter: LockAdapter): WatchedBackend {
  let worstMs = 0;
  let askedAt: number | undefined;
  let stopped = false;
  const timed = async (call: () => Promise<unknown>): Promise<void> => {
    askedAt = now();
    await call().catch(() => {});
    worstMs = Math.max(worstMs, now() - askedAt);
    askedAt = undefined;
  };
  const ask = async (): Promise<void> => {
    const mine = key();
    while (!stopped) {
      const request = attempt(mine);
      await timed(() => adapter.tryAcquire(request));
      await timed(() => adapter.release(request));
      await sleep(timing.pollMs);
    }
  };
  const asked = ask();
  return {
    worstMs: () => Math.max(worstMs, askedAt === undefined ? 0 : now() - askedAt),
    stop() {
      stopped = true;
      return asked;
    },
  };
}

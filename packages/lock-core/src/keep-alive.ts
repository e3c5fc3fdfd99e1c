import type { Waiter } from './waiter.ts';

const longMs = 2 ** 30;

/**
 * Keeps the process alive while somebody waits for a busy lock: leases and their timers do not, and a backend inside the
 * process has no socket that would (H55).
 */
export interface KeepAlive {
  waits(waiter: Waiter): void;
  done(waiter: Waiter): void;
}

export function createKeepAlive(): KeepAlive {
  const waiting = new Set<Waiter>();
  let timer: NodeJS.Timeout | undefined;
  return {
    waits(waiter) {
      waiting.add(waiter);
      timer ??= setInterval(() => {}, longMs);
    },
    done(waiter) {
      if (!waiting.delete(waiter) || waiting.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
  };
}

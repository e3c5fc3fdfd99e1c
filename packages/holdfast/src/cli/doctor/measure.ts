import { setMaxListeners } from 'node:events';
import { systemClock } from '@holdfast/lock-core';

/** How long one server may take for all requests together. */
const timeoutMs = 4_000;

/** Runs `ask` within the time limit of a server; when it is over, fails with a message for people. */
export async function inTime<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const limit = AbortSignal.timeout(timeoutMs);
  setMaxListeners(0, limit); // one for each request
  const late = new Promise<never>((_, reject) => {
    limit.addEventListener('abort', () => reject(new Error(`no answer within ${timeoutMs / 1_000} s`)), {
      once: true,
    });
  });
  // The timer of a signal does not keep the process alive, and with a silent server, nothing else does.
  const awake = setTimeout(() => {}, timeoutMs + 100);
  try {
    return await Promise.race([ask(limit), late]);
  } finally {
    clearTimeout(awake);
  }
}

/** The median of a few round trips in ms; the first, which may open a connection, does not count. */
export async function roundTrip(ask: () => Promise<unknown>): Promise<number> {
  await ask();
  const times: number[] = [];
  for (let i = 0; i < 7; i++) {
    const before = systemClock.now();
    await ask();
    times.push(systemClock.now() - before);
  }
  return rounded(times.sort((a, b) => a - b)[3]!);
}

/** The server's clock minus ours in ms, and its possible error: the answer was created some time between sending and receipt. */
export async function clockOffset(
  ask: () => Promise<number>,
  granularityMs: number = 0,
): Promise<{ clockOffsetMs: number; clockErrorMs: number }> {
  const before = systemClock.wallNow();
  const serverMs = await ask();
  const after = systemClock.wallNow();
  return {
    clockOffsetMs: rounded(serverMs + granularityMs / 2 - (before + after) / 2),
    clockErrorMs: rounded((after - before + granularityMs) / 2),
  };
}

/** Ms, with no more digits than a measurement over a network deserves. */
export function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** What an error says, on one line. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const deeper = cause instanceof Error && cause.message !== '' ? cause.message : undefined;
  return (deeper ?? message ?? String(error)).split('\n')[0]!;
}

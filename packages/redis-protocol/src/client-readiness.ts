import { notConnected, readable } from './errors.ts';

/** The part of a client's event interface that waiting needs. */
export interface ClientEvents {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
  listenerCount(event: string): number;
}

// Shorter than core's time-out of an attempt, so that a caller who repeats the call has one that waits, not many.
const longestWaitMs = 1_000;

// Taken at load: a test runner's fake timers must not decide about the connections of a shared client.
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;

/**
 * A function that resolves at the client's next `readyEvent`. It rejects when a given `signal` aborts, with the error when
 * the client reports one (a server that cannot be reached, or that refuses the credentials), and after a second, so that
 * what waits during an outage does not grow with the outage (H116).
 */
export function createReadiness(client: ClientEvents, name: string, readyEvent = 'ready'): WhenReady {
  const known = readiness.get(client);
  if (known !== undefined) return known;
  const whenReady = watch(client, name, readyEvent);
  readiness.set(client, whenReady);
  return whenReady;
}

type WhenReady = (signal?: AbortSignal) => Promise<void>;

// One for a client, however many adapters are made over it.
const readiness = new WeakMap<ClientEvents, WhenReady>();

function watch(client: ClientEvents, name: string, readyEvent: string): WhenReady {
  // One set of listeners on the client, however many wait.
  const waiting = new Set<(error?: unknown) => void>();
  const settleAll = (error?: unknown) => {
    for (const settle of waiting) settle(error);
  };
  // At its end a client refuses what it is asked, with its own reason.
  const onReady = () => settleAll();
  const onError = (error: unknown) => settleAll(readable(error, name));

  function enter(settle: (error?: unknown) => void): void {
    if (waiting.size === 0) {
      client.on(readyEvent, onReady);
      client.on('end', onReady);
      // A first error listener would silence errors that the application left unhandled.
      if (client.listenerCount('error') > 0) client.on('error', onError);
    }
    waiting.add(settle);
  }

  function exit(settle: (error?: unknown) => void): void {
    waiting.delete(settle);
    if (waiting.size > 0) return;
    client.off(readyEvent, onReady);
    client.off('end', onReady);
    client.off('error', onError);
  }

  return (signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const settle = (error?: unknown) => {
        exit(settle);
        stopTimer(timer);
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle(signal?.reason ?? new Error('aborted'));
      const timer = startTimer(() => settle(notConnected(name)), longestWaitMs);
      timer.unref();
      enter(settle);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
}

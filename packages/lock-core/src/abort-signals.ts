import { setMaxListeners } from 'node:events';

/**
 * A controller whose signal may have any number of listeners: a holder passes it to everything it does, and an adapter
 * listens with each attempt of an outage. Node would warn of a leak from the eleventh listener on.
 */
export function sharedController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal);
  return controller;
}

/**
 * Listens to the callers' signals. Thousands of callers may wait on one signal; it gets one listener for all of them, since
 * Node warns of a leak from the eleventh on.
 */
export class AbortListeners {
  readonly #bySignal = new Map<AbortSignal, Set<() => void>>();

  /** Calls back when the signal aborts, until the returned function is called. */
  listen(signal: AbortSignal, onAbort: () => void): () => void {
    let callbacks = this.#bySignal.get(signal);
    if (callbacks === undefined) {
      callbacks = new Set();
      this.#bySignal.set(signal, callbacks);
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    callbacks.add(onAbort);
    return () => {
      callbacks.delete(onAbort);
      if (callbacks.size > 0 || this.#bySignal.get(signal) !== callbacks) return;
      this.#bySignal.delete(signal);
      signal.removeEventListener('abort', this.#onAbort);
    };
  }

  // One function for all signals, so that it can be removed without keeping one for each.
  readonly #onAbort = (event: Event): void => {
    const signal = event.target as AbortSignal;
    const callbacks = [...(this.#bySignal.get(signal) ?? [])];
    this.#bySignal.delete(signal);
    // From the last to the first: the first in the queue would make room for one that is leaving as well.
    for (const callback of callbacks.reverse()) callback();
  };
}

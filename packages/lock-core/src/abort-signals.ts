/**
 * Listens to the callers' signals. Thousands may wait on one signal, and it gets one listener for all of them: Node warns
 * of a leak from the eleventh on.
 */
export interface Aborts {
  /** Calls back when the signal aborts, until the returned function is called. */
  listen(signal: AbortSignal, onAbort: () => void): () => void;
}

export function createAborts(): Aborts {
  const bySignal = new Map<AbortSignal, Set<() => void>>();

  // One function for all signals, so that it can be taken off again without keeping one for each.
  function heard(this: AbortSignal): void {
    const callbacks = [...(bySignal.get(this) ?? [])];
    bySignal.delete(this);
    // From the last to the first: who is first in line would make room for one who is leaving as well.
    for (const callback of callbacks.reverse()) callback();
  }

  return {
    listen(signal, onAbort) {
      let callbacks = bySignal.get(signal);
      if (callbacks === undefined) {
        callbacks = new Set();
        bySignal.set(signal, callbacks);
        signal.addEventListener('abort', heard, { once: true });
      }
      callbacks.add(onAbort);
      return () => {
        callbacks.delete(onAbort);
        if (callbacks.size > 0 || bySignal.get(signal) !== callbacks) return;
        bySignal.delete(signal);
        signal.removeEventListener('abort', heard);
      };
    },
  };
}

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

// Thousands of callers may wait on one signal, through several `Locks`. It gets one listener for all of them, since Node warns
// of a leak from the eleventh on.
const callbacksOf = new Map<AbortSignal, Set<() => void>>();

/** Calls back when the caller's signal aborts, until the returned function is called. */
export function onceAborted(signal: AbortSignal, onAbort: () => void): () => void {
  let callbacks = callbacksOf.get(signal);
  if (callbacks === undefined) {
    callbacks = new Set();
    callbacksOf.set(signal, callbacks);
    signal.addEventListener('abort', tellAll, { once: true });
  }
  callbacks.add(onAbort);
  return () => {
    callbacks.delete(onAbort);
    if (callbacks.size > 0 || callbacksOf.get(signal) !== callbacks) return;
    callbacksOf.delete(signal);
    signal.removeEventListener('abort', tellAll);
  };
}

// One function for all signals, so that it can be removed without keeping one for each.
function tellAll(event: Event): void {
  const signal = event.target as AbortSignal;
  const callbacks = [...(callbacksOf.get(signal) ?? [])];
  callbacksOf.delete(signal);
  // From the last to the first: the first in the queue would make room for one that is leaving as well.
  for (const callback of callbacks.reverse()) callback();
}

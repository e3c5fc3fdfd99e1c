import { setMaxListeners } from 'node:events';

/**
 * A controller to whose signal many may listen: a holder hands it to all that he does, and an adapter listens with each
 * attempt of an outage. Node would warn of a leak from the eleventh on.
 */
export function openSignal(): AbortController {
  const controller = new AbortController();
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal);
  return controller;
}

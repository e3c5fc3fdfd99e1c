import { sharedController } from './abort-signals.ts';
import type { KeyState } from './key-state.ts';
import type { LockAdapter } from './lock-adapter.ts';

// An adapter whose hints come without end must not keep the process from everything else: then there is the poll.
const mostHintsPerMs = 256;

/**
 * Listens for release hints about a key, if the adapter has them, until `stopHints`. Calls `onHint` when the subscription
 * first stands (a release may have gone by before) and at each later hint. The next hint is requested before `onHint` runs, so
 * that none is missed while the backend is asked (subscribe, look again, then sleep: H37).
 */
export function listenForHints(adapter: LockAdapter, keyState: KeyState, now: () => number, onHint: () => void): void {
  if (adapter.whenFree === undefined || keyState.hints !== undefined) return;
  const hints = sharedController();
  keyState.hints = hints;
  const nextHint = async (): Promise<void> => adapter.whenFree?.(keyState.key, hints.signal);
  let burst = 0;
  let burstSince = now();
  const isFlood = (at: number): boolean => {
    if (at - burstSince >= 1) {
      burst = 0;
      burstSince = at;
    }
    burst += 1;
    return burst > mostHintsPerMs;
  };
  const listen = (): void => {
    nextHint().then(
      () => {
        if (keyState.hints !== hints) return;
        if (isFlood(now())) return stopHints(keyState);
        keyState.hintsStand = true;
        listen();
        onHint();
      },
      () => {
        // The poll goes on without hints; the next sleep subscribes again.
        if (keyState.hints === hints) stopHints(keyState);
      },
    );
  };
  listen();
}

/** Ends the subscription. */
export function stopHints(keyState: KeyState): void {
  const { hints } = keyState;
  keyState.hints = undefined;
  keyState.hintsStand = false;
  hints?.abort();
}

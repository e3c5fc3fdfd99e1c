import type { Core } from './context.ts';
import type { KeyState } from './key-state.ts';
import { openSignal } from './open-signal.ts';

/**
 * Listens for wake-up hints about a key, if the adapter has them, until `unwatch`. Calls `hint` when the subscription
 * first stands (a release may have gone by before), and at each later message: so whoever asks after a hint has the next
 * one on order already (subscribe, then look again, then sleep: H37).
 */
export function watchFor(core: Core, keyState: KeyState, hint: () => void): void {
  const { adapter } = core;
  if (adapter.whenFree === undefined || keyState.watch !== undefined) return;
  const watch = openSignal();
  keyState.watch = watch;
  const order = async (): Promise<void> => adapter.whenFree?.(keyState.key, watch.signal);
  const listen = (): void => {
    order().then(
      () => {
        if (keyState.watch !== watch) return;
        keyState.watching = true;
        listen();
        hint();
      },
      () => {
        // Without hints there is the poll; the next sleep subscribes anew.
        if (keyState.watch === watch) unwatch(keyState);
      },
    );
  };
  listen();
}

/** Ends the subscription. */
export function unwatch(keyState: KeyState): void {
  const { watch } = keyState;
  keyState.watch = undefined;
  keyState.watching = false;
  watch?.abort();
}

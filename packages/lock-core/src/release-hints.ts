import type { Core } from './context.ts';
import type { Slot } from './key-state.ts';
import { openSignal } from './open-signal.ts';

/**
 * Listens for wake-up hints about a key, if the adapter has them, until `unwatch`. Calls `hint` when the subscription
 * first stands (a release may have gone by before), and at each later message: so whoever asks after a hint has the next
 * one on order already (subscribe, then look again, then sleep: H37).
 */
export function watchFor(core: Core, slot: Slot, hint: () => void): void {
  const { adapter } = core;
  if (adapter.whenFree === undefined || slot.watch !== undefined) return;
  const watch = openSignal();
  slot.watch = watch;
  const order = async (): Promise<void> => adapter.whenFree?.(slot.key, watch.signal);
  const listen = (): void => {
    order().then(
      () => {
        if (slot.watch !== watch) return;
        slot.watching = true;
        listen();
        hint();
      },
      () => {
        // Without hints there is the poll; the next sleep subscribes anew.
        if (slot.watch === watch) unwatch(slot);
      },
    );
  };
  listen();
}

/** Ends the subscription. */
export function unwatch(slot: Slot): void {
  const { watch } = slot;
  slot.watch = undefined;
  slot.watching = false;
  watch?.abort();
}

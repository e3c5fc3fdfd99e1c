import { type Failure, goTogether, type Held } from './held.ts';

/** Holds that the application has asserted in a transaction of its own. */
export interface PinnedHolds {
  /** A transaction has asserted a hold; `isOpen` tells for how long. */
  pinned(held: Held, isOpen: () => boolean): void;
  granted(held: Held): void;
}

/** Nobody is granted a key beside a hold that an open transaction has asserted, not even inside its process. */
export function createPinnedHolds(fail: (rule: Failure['rule'], message: string) => void): PinnedHolds {
  let pins: { readonly held: Held; readonly isOpen: () => boolean }[] = [];
  return {
    pinned(held, isOpen) {
      pins.push({ held, isOpen });
    },
    granted(held) {
      pins = pins.filter(({ isOpen }) => isOpen());
      const { key } = held.step;
      const isRival = ({ step, identity }: Held): boolean => step.key === key && identity !== held.identity;
      const rival = pins.find((pin) => isRival(pin.held) && !goTogether([pin.held, held]));
      if (rival !== undefined)
        fail(
          'granted while pinned',
          `${held.name} is granted ${key}, which an open transaction of ${rival.held.name} has pinned`,
        );
    },
  };
}

import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { withHandles } from './change-locks.ts';
import type { OutsideMutant } from './outside-mutant.ts';

/** Bugs around a right adapter, in what lock-core does. */
export const coreMutants: readonly OutsideMutant[] = [
  {
    bug: 'a release is sent once, and nobody looks whether it arrived',
    seenIn: 'H14, H70',
    caughtBy: ['LK-0121'],
    message: /Not within .* a free key is granted/,
    locks(adapter, options) {
      const sent = new Set<string>();
      const release: LockAdapter['release'] = async (hold) => {
        if (sent.has(hold.owner)) return 'not-held';
        sent.add(hold.owner);
        return adapter.release(hold);
      };
      return createLocks({ ...adapter, release }, options);
    },
  },
  {
    bug: 'what was asked for and given up is not released: it arrives late, and stays',
    seenIn: 'H11, H27, H64, H80, redlock-universal',
    caughtBy: ['LK-0132', 'LK-0133', 'LK-0134', 'LK-0139'],
    message: /the key is free again: its request was given up, and arrived late/,
    locks(adapter, options) {
      const handedOut = new Set<string>();
      const release: LockAdapter['release'] = async (hold) =>
        handedOut.has(hold.key) ? adapter.release(hold) : 'not-held';
      return withHandles(createLocks({ ...adapter, release }, options), ({ key }) => {
        handedOut.add(key);
        return {};
      });
    },
  },
  {
    bug: 'close waits for an answer of the backend, for as long as that takes',
    seenIn: 'H55',
    caughtBy: ['LK-0137'],
    message: /Not within .* close ends while the backend is silent/,
    locks(adapter, options) {
      const locks = createLocks(adapter, options);
      const close = async () => {
        await adapter.release({ key: 'good-bye', owner: 'nobody' }).catch(() => {});
        await locks.close();
      };
      return { ...locks, close };
    },
  },
];

import { memoryAdapter, memoryStore } from '../../../adapter-memory/src/index.ts';
import { createLocks, type LockAdapter, type Locks, type LocksOptions } from '../../src/index.ts';
import { type ManualClock, manualClock } from '../../src/testing.ts';
import { type FaultyAdapter, faultyAdapter } from './faulty-adapter.ts';

export interface TwoClients {
  clock: ManualClock;
  /** The adapter of `locks`, with its faults. */
  adapter: FaultyAdapter;
  locks: Locks;
  /** Another process, as it were: a second client of the same backend, without faults. */
  other: Locks;
}

export function twoClients(
  options: LocksOptions = {},
  fairness: 'fifo' | 'none' = 'none',
  omit: (keyof LockAdapter)[] = [],
): TwoClients {
  const clock = manualClock();
  const store = memoryStore();
  const adapter = faultyAdapter(clock, { store, fairness, omit });
  const other = createLocks(memoryAdapter({ store, fairness, clock }), { ttlMs: 30_000, clock });
  return { clock, adapter, locks: createLocks(adapter, { ttlMs: 30_000, clock, ...options }), other };
}

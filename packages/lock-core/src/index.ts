export type {
  AcquireOptions,
  Lock,
  LockDescription,
  LockGroup,
  LockOwner,
  Locks,
  LocksOptions,
  Semaphore,
  SemaphoreOptions,
  WatchOptions,
} from './api.ts';
export type { LockEvent } from './diagnostics.ts';
export { checkOptionNames, isLockError, LockError, type LockErrorCode, type LockErrorOptions } from './errors.ts';
export type {
  AcquireAttempt,
  AcquireOutcome,
  Capabilities,
  Claim,
  Granted,
  HoldRef,
  InspectedLock,
  KeysPage,
  LockAdapter,
  LockHolder,
  LockInfo,
  ReleaseOutcome,
  RenewOutcome,
} from './lock-adapter.ts';
export { createLocks } from './locks.ts';

export { type Clock, systemClock } from './platform.ts';

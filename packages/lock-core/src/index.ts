export type {
  AcquireOptions,
  Clock,
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
export { systemClock } from './clock.ts';
export type { LockEvent } from './diagnostics.ts';
export { isLockError, LockError, type LockErrorCode, type LockErrorOptions } from './errors.ts';
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
export { checkOptionNames } from './option-names.ts';

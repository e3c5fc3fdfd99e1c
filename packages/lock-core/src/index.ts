export type { AcquireOptions, Clock, Lock, LockOwner, Locks, LocksOptions } from './api.ts';
export type { LockEvent } from './channels.ts';
export { systemClock } from './clock.ts';
export type {
  AcquireAttempt,
  AcquireOutcome,
  Capabilities,
  Granted,
  HoldRef,
  KeysPage,
  LockAdapter,
  LockInfo,
  ReleaseOutcome,
  RenewOutcome,
} from './contract.ts';
export { isLockError, LockError, type LockErrorCode, type LockErrorOptions } from './errors.ts';
export { createLocks } from './locks.ts';

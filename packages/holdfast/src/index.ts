export {
  type AcquireOptions,
  type Capabilities,
  createLocks,
  isLockError,
  type Lock,
  type LockAdapter,
  LockError,
  type LockErrorCode,
  type LockGroup,
  type LockInfo,
  type LockOwner,
  type Locks,
  type LocksOptions,
} from '@holdfast/lock-core';
export type { AdapterConfig, LocksConfig, SchemeHandler } from './config.ts';
export { type FencedLocksOptions, type OpenLocksOptions, openLocks } from './open-locks.ts';
export type { AdapterFactory } from './packages.ts';
export type { Requirements } from './requirements.ts';

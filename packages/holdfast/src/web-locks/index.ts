export type {
  WebLock,
  WebLockCallback,
  WebLockInfo,
  WebLockOptions,
  WebLockSnapshot,
  WebLocks,
} from './types.ts';
export { webLocks } from './web-locks.ts';

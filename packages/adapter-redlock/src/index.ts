export { redlockAdapter } from './adapter.ts';
export { openRedlock, type RedlockTarget, redlockAdapterFactory } from './open.ts';
export type { RedlockOptions } from './options.ts';

import type { LockAdapter } from '@holdfast/lock-core';
import { memoryAdapter } from '../../src/index.ts';

/** What another process has: a memory of its own. */
export const openAdapter = (): LockAdapter => memoryAdapter();

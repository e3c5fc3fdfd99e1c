import type { LockAdapter } from '@holdfast/lock-core';
import { folderAdapter } from '../src/index.ts';

/** How the processes that the conformance suite starts make a client. */
export const openAdapter = (options: { folder: string }): LockAdapter => folderAdapter(options);

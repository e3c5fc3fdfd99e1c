import type { LockAdapter } from '@holdfast/lock-core';
import { postgresAdapter } from '../src/index.ts';

/** How the processes that the conformance suite starts make a client. */
export const openAdapter = ({ url }: { url: string }): LockAdapter => postgresAdapter({ url });

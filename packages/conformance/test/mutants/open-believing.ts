import type { LockAdapter } from '@holdfast/lock-core';
import { openAdapter as openRight } from '../support/open-table.ts';
import { believesTooLong } from './outside-clients.ts';

/** A client in another process that believes in leases that are long over. */
export const openAdapter = (at: { host: string; port: number }): LockAdapter => believesTooLong(openRight(at), at);

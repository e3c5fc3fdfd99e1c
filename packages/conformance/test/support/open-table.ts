import type { LockAdapter } from '@holdfast/lock-core';
import { withBug } from './table-bugs.ts';
import { tableClient } from './table-client.ts';

/** A client of the table server, in whatever process. */
export const openAdapter = (options: { host: string; port: number; bug?: string | undefined }): LockAdapter =>
  withBug(tableClient({ ...options, reconnects: options.bug !== 'it never connects again' }), options.bug);

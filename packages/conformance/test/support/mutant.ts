import type { LockAdapter } from '@holdfast/lock-core';
import type { Table } from './table-adapter.ts';

/** An adapter with one known bug, and the cases that must find it. */
export interface Mutant {
  readonly bug: string;
  readonly caughtBy: readonly string[];
  /** Part of the message of the first of those cases, from which an author understands the bug. */
  readonly message: RegExp;
  mutate(right: LockAdapter, table: Table): Partial<LockAdapter>;
}

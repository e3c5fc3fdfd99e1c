import type { LockAdapter } from '@holdfast/lock-core';
import { type Address, redlockOver } from './nodes.ts';

/** A client of another process, as the conformance suite asks for it. */
export const openAdapter = ({ nodes }: { nodes: Address[] }): Promise<LockAdapter> => redlockOver(nodes);

// The built package: Node by itself does not import the `.lua` files of the sources.
import { openRedlock } from '@holdfast/adapter-redlock';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Address } from './nodes.ts';

/** A client of another process, as the conformance suite asks for it. */
export const openAdapter = ({ nodes }: { nodes: Address[] }): Promise<LockAdapter> => openRedlock({ nodes });

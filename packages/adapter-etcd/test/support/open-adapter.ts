import type { LockAdapter } from '@holdfast/lock-core';
import { etcdAdapter } from '../../src/index.ts';

/** A client of another process, as the conformance suite asks for it. */
export const openAdapter = ({ hosts }: { hosts: string[] }): LockAdapter => etcdAdapter({ hosts });

import type { LockAdapter } from '@holdfast/lock-core';
import { memoryAdapter, memoryStore } from '../../../adapter-memory/src/index.ts';

const store = memoryStore();

export function openAdapter(): LockAdapter {
  return memoryAdapter({ store });
}

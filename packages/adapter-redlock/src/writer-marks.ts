import type { LockKeys } from '@holdfast/redis-protocol';
import type { Requests } from './requests.ts';
import { waiterRequest } from './vote-requests.ts';

// What is not taken back ends by itself.
const mostMarks = 1_000;

/** Marks of the writers of this process that wait for readers to leave a node: no more readers are let in there for a while (H91). */
export interface WriterMarks {
  set(keys: LockKeys): void;
  /** The writer is in. */
  clear(keys: LockKeys): void;
}

export function createWriterMarks(requests: Requests): WriterMarks {
  const marked = new Set<string>();
  return {
    set(keys) {
      if (marked.size >= mostMarks) marked.clear();
      marked.add(keys.lock);
      requests.add(waiterRequest(true, keys), () => {});
    },
    clear(keys) {
      if (marked.size > 0 && marked.delete(keys.lock)) requests.add(waiterRequest(false, keys), () => {});
    },
  };
}

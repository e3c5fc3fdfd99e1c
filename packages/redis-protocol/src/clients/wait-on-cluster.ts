import { isRedirection } from '../errors.ts';

/**
 * The reply to WAIT, or 0 when the node that was asked does not serve the key now: while a slot is being moved, a write may have
 * gone to another node, whose replicas this one knows nothing about (H19). `serves` is the reply to a read of the key before it.
 */
export async function whereServed(serves: Promise<unknown>, replicas: Promise<unknown>): Promise<unknown> {
  const [read, count] = await Promise.allSettled([serves, replicas]);
  if (read.status === 'rejected') {
    if (isRedirection(read.reason)) return 0;
    throw read.reason;
  }
  if (count.status === 'rejected') throw count.reason;
  return read.value === null ? 0 : count.value;
}

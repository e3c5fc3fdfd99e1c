import type { Capabilities } from '@holdfast/lock-core';
import { type BackendId, type Feature, survivesFailover } from '../report/schema.ts';
import type { PartContext } from './part.ts';

const yesNo = (value: boolean): string => (value ? 'yes' : 'no');
const whole = (value: number): string => value.toLocaleString('en-US');

/** A line of the table for each promise of the contract that backends give in different ways. */
const lines: readonly { readonly name: string; readonly meaning: string; of(capabilities: Capabilities): string }[] = [
  {
    name: 'Fencing tokens',
    meaning: 'Each grant has a higher number than the one before, so that a resource can refuse a late holder.',
    of: ({ fencing }) => yesNo(fencing),
  },
  {
    name: 'Order of waiters',
    meaning: 'FIFO: first come, first served, across all processes.',
    of: ({ fairness }) => (fairness === 'fifo' ? 'FIFO' : 'within a process only'),
  },
  {
    name: 'What frees the lock of a dead process',
    meaning: 'The lease of the lock itself, or the session of the whole process.',
    of: ({ expiry }) => (expiry === 'ttl' ? 'its TTL' : 'the session'),
  },
  {
    name: 'Waiters are told',
    meaning: 'Whether the server notifies a waiter that the lock is free, or the waiter has to poll.',
    of: ({ wakeup }) => (wakeup === 'push' ? 'yes' : 'no, they ask'),
  },
  {
    name: survivesFailover,
    meaning: 'No two holders have the lock when the leading server dies and another one takes over.',
    of: (capabilities) => yesNo(capabilities.survivesFailover),
  },
  {
    name: 'Across processes',
    meaning: 'Processes exclude each other, also on different machines.',
    of: ({ crossProcess }) => yesNo(crossProcess),
  },
  {
    name: 'Shortest TTL',
    meaning: 'The shortest lease, and the steps in which it is measured.',
    of: ({ ttl: { minMs, granularityMs } }) =>
      `${whole(minMs)} ms${granularityMs > 1 ? `, in steps of ${whole(granularityMs)} ms` : ''}`,
  },
  {
    name: 'Freed late by at most',
    meaning: 'How long the lock of a dead holder may stay busy after the end of its lease.',
    of: ({ ttl: { maxOvershootMs } }) => `${whole(maxOvershootMs)} ms`,
  },
];

/** What the adapters themselves declare, and their conformance reports check. */
export async function features({ backends, pool }: Pick<PartContext, 'backends' | 'pool'>): Promise<Feature[]> {
  const declared = new Map<BackendId, Capabilities>();
  for (const { id, holdfast } of backends) {
    const capabilities = await (await pool.get(holdfast)).ask('capabilities', undefined as never);
    if (capabilities) declared.set(id, capabilities);
  }
  return lines.map(({ name, meaning, of }) => ({
    ...{ name, meaning },
    values: Object.fromEntries([...declared].map(([id, capabilities]) => [id, of(capabilities)])),
  }));
}

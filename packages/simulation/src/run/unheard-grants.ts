import type { Holder } from '../backends/backend.ts';
import { keysOf } from '../schedule/all-steps.ts';
import type { OpenCall } from './calls.ts';

interface Terms {
  readonly open: Iterable<OpenCall>;
  /** The process that asked for an owner ID. */
  processOf(owner: string): string | undefined;
  isHeld(key: string): boolean;
  now(): number;
}

/** Who may have the key in the backend without a lock in anybody's hands: until it has all of its keys, or its term begins. */
const mayHaveNoLock: ReadonlySet<string> = new Set(['acquireAll', 'tryAcquireAll', 'lead', 'tryAcquire']);

/**
 * A call that waits for a key which the backend has given to its process, and the time since then: a queue in the backend grants the key to
 * its head, who has to hear of it.
 */
export function unheardGrant(
  { open, processOf, isHeld, now }: Terms,
  key: string,
  holder: Holder | undefined,
  since: number,
): { readonly call: OpenCall; readonly forMs: number } | undefined {
  const process = holder && processOf(holder.owner);
  if (process === undefined || isHeld(key)) return undefined;
  const ofProcess = [...open].filter(({ step, machine }) => machine.name === process && keysOf(step).includes(key));
  if (ofProcess.some(({ what, machine }) => mayHaveNoLock.has(what) || machine.state !== 'running')) return undefined;
  const call = ofProcess.find(({ what, startedAt }) => (what === 'acquire' || what === 'using') && startedAt <= since);
  return call && { call, forMs: now() - since };
}

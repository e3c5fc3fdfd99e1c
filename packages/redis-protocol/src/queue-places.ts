import type { AcquireAttempt, Granted } from '@holdfast/lock-core';

/** Calls `begin` when there is a connection, and rejects when there is none; `undefined` where there is one already. */
export type Connect = (begin: () => void) => Promise<void> | undefined;

/** The places of this process in the queues of the server. */
export interface Places {
  /** As `LockAdapter.enqueue`. */
  enqueue(attempt: AcquireAttempt, signal: AbortSignal, connect: Connect): Promise<Granted>;
  /** A release is about to be sent for this owner ID: nothing is asked for it after that. */
  withdraw(owner: string): void;
  /** The server has granted the lock to this owner ID, for a reservation. */
  granted(owner: string): void;
  /** Whether places of this process wait for the lock of this channel, or did a moment ago. */
  areKnown(channel: string): boolean;
  /** A message on the channel of a lock. */
  message(channel: string, text: string): void;
  /** A subscription stands, for the first time or again: messages may have been missed. */
  standing(channel: string): void;
  close(): void;
}

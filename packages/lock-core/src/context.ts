import type { Aborts } from './abort-signals.ts';
import type { Waiter } from './acquisition.ts';
import type { LockError } from './errors.ts';
import type { Hold } from './hold.ts';
import type { KeyState } from './key-state.ts';
import type { Lease } from './lease.ts';
import type { AcquireOutcome, LockAdapter } from './lock-adapter.ts';
import type { Settings } from './options.ts';
import type { KeepAlive } from './process-keepalive.ts';
import type { AcquireRequest } from './request.ts';
import type { TimerHeap } from './timer-heap.ts';

/** What the parts of one `Locks` share; each part is made over it, and adds itself. */
export interface Core {
  readonly adapter: LockAdapter;
  readonly settings: Settings;
  readonly timers: TimerHeap;
  /** By key: who holds it in this process and who waits. A key that nobody uses has no keyState. */
  readonly keys: Map<string, KeyState>;
  /** Who asks outside of a queue. */
  readonly visitors: Set<Waiter>;
  readonly aborts: Aborts;
  keepAlive: KeepAlive;
  watchdog: Watchdog;
  reaper: Reaper;
  closed: boolean;
  /** Ends a hold that is gone: tells the holder, cleans up, lets the next contend. */
  lose(hold: Hold, error: LockError, backend: 'may have it' | 'is free of it'): void;
  /** Takes back one lock of a hold. */
  giveBack(hold: Hold): Promise<'released' | 'lost'>;
  /** Lets the next waiter of the key do what there is to do now, and forgets a key that nobody uses. */
  advance(keyState: KeyState, now: number): void;
  /** Takes a waiter off the queue, whatever he was doing there. */
  leave(keyState: KeyState, waiter: Waiter, now: number): void;
}

/** Keeps leases alive and announces their loss. */
export interface Watchdog {
  watch(lease: Lease): void;
  /** No command for the lease is sent after this (H54). */
  unwatch(lease: Lease): void;
  /** The lease has a new holder, with a time of his own. */
  handedOver(lease: Lease): void;
  /** Called at `lease.at`. */
  onTime(lease: Lease, now: number): void;
  /** Renews now, whatever the schedule. Throws LOCK_LOST or LOCK_BACKEND. */
  renewNow(hold: Hold, ttlMs: number): Promise<void>;
}

/** Frees what a call without an answer may have taken, or may still take. */
export interface Reaper {
  add(request: AcquireRequest): void;
  /** Takes in that an acquire was answered: a client may have sent it anew, behind the release that followed it (H14). */
  acquireAnswered(request: AcquireRequest, outcome: AcquireOutcome): void;
  /** Counts a clean-up that somebody else does, and that does not reject. */
  await(cleaning: Promise<void>): void;
  /** Resolves when nothing is left to clean up. */
  drained(): Promise<void>;
  /** Gives up on the rest. */
  close(): void;
}

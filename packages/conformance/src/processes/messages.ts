import type { HistoryEvent } from '../history/events.ts';

/** What a process says of the lock that it holds, without waiting for anything. */
export interface Look {
  readonly state: string;
  readonly remainingMs: number;
  readonly aborted: boolean;
  /** The code of what `assertHeld` threw; `undefined` when it did not. */
  readonly asserted: string | undefined;
}

/** A grant in another process. */
export interface RemoteGrant {
  readonly fencingToken: bigint | undefined;
}

/** How several processes contend. */
export interface Contest {
  readonly keys: readonly string[];
  /** How often each of the tasks of a process takes each key. */
  readonly rounds: number;
  readonly tasks: number;
  readonly ttlMs: number;
}

/** What a process saw of a contest. */
export interface ContestResult {
  readonly events: readonly HistoryEvent[];
}

import type { Capabilities } from '@holdfast/lock-core';
import type { Versions } from '../harness.ts';
import type { History } from '../history/holds.ts';
import type { Orphan } from './messages.ts';
import type { Nemesis, StressSettings } from './options.ts';

/** What was counted in a stress run. */
export interface StressCounts {
  /** The number of acquire requests: calls of `acquire`, `tryAcquire`, `using` and the like. */
  readonly asked: number;
  readonly granted: number;
  /** How many of the grants were shared; `permits` is how many were permits of a semaphore. */
  readonly shared: number;
  readonly permits: number;
  /** Requests that were refused, or not granted within the caller's `waitMs`. */
  readonly busy: number;
  /** Requests that were cancelled while waiting, or had no answer because of a killed process or an unreachable backend. */
  readonly unanswered: number;
  /** Holds that ended without a release: they were lost, left to expire, or belonged to a killed process. */
  readonly ended: number;
  readonly writes: number;
  /** Writes with an old token, which the protected resource refused. */
  readonly refused: number;
}

/** The report of a stress run. */
export interface StressReport {
  readonly suite: { readonly name: string; readonly version: string };
  readonly harness: string;
  readonly versions: Versions;
  readonly node: string;
  readonly machine: string;
  readonly capabilities: Capabilities;
  readonly settings: StressSettings;
  /** How long locks were used, in ms. */
  readonly ms: number;
  /** Whether it was aborted before its end. */
  readonly interrupted: boolean;
  /** The total number of processes that used locks. */
  readonly processes: number;
  readonly faults: Readonly<Partial<Record<Nemesis, number>>>;
  readonly counts: StressCounts;
  /** The violations, as texts. */
  readonly violations: readonly string[];
  readonly orphans: readonly Orphan[];
  /** Unhandled rejections and exceptions, and processes that ended unexpectedly or did not end. */
  readonly troubles: readonly string[];
  /** True if there were no violations, orphans or troubles, and at least one lock was granted. */
  readonly ok: boolean;
}

export function countsOf({ events, holds, refusals, unanswered, writes }: History): StressCounts {
  const grantedAs = (mode: string): number => holds.filter(({ claim }) => claim?.mode === mode).length;
  return {
    asked: events.filter(({ f, kind }) => f === 'acquire' && kind === 'invoke').length,
    granted: events.filter(({ f, kind }) => f === 'acquire' && kind === 'ok').length,
    shared: grantedAs('shared'),
    permits: grantedAs('permits'),
    busy: refusals.length,
    unanswered: unanswered.length,
    ended: holds.filter(({ endedBy }) => endedBy !== 'release').length,
    writes: writes.filter(({ accepted }) => accepted).length,
    refused: writes.filter(({ accepted, returnedAt }) => !accepted && Number.isFinite(returnedAt)).length,
  };
}

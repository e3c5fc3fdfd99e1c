import type { Capabilities } from '@holdfast/lock-core';
import type { Versions } from '../harness.ts';
import type { History } from '../history/holds.ts';
import type { Orphan } from './messages.ts';
import type { Nemesis, StressSettings } from './options.ts';

/** What was counted in a stress run. */
export interface StressCounts {
  /** Calls of acquire, tryAcquire and using. */
  readonly asked: number;
  readonly granted: number;
  /** Of those granted, which were shared, and which were permits of a semaphore. */
  readonly shared: number;
  readonly permits: number;
  /** Busy, or not within the time that the caller had. */
  readonly busy: number;
  /** Requests that were given up while they waited, or had no answer: their process was killed, or the backend could not be reached. */
  readonly unanswered: number;
  /** Holds that ended without a release: lost, left to lapse, or of a killed process. */
  readonly ended: number;
  readonly writes: number;
  /** Writes with an old token, which the guarded resource refused. */
  readonly refused: number;
}

/** What a stress run found. */
export interface StressReport {
  readonly suite: { readonly name: string; readonly version: string };
  readonly harness: string;
  readonly versions: Versions;
  readonly node: string;
  readonly machine: string;
  readonly capabilities: Capabilities;
  readonly settings: StressSettings;
  /** How long locks were used. */
  readonly ms: number;
  /** It ended before its time, because it was told to. */
  readonly interrupted: boolean;
  /** How many processes used locks in all. */
  readonly processes: number;
  readonly faults: Readonly<Partial<Record<Nemesis, number>>>;
  readonly counts: StressCounts;
  /** What must not happen, in words. */
  readonly violations: readonly string[];
  readonly orphans: readonly Orphan[];
  /** Rejections and exceptions that nobody caught, processes that ended by themselves or did not end. */
  readonly troubles: readonly string[];
  /** True when there are none of these, and at least one lock was had. */
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

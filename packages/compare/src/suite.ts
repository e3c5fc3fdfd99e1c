import type { Progress } from './progress.ts';
import type { Spread } from './stats.ts';

/** How long and how often to measure. */
export interface Effort {
  /** Replaces each suite's own number of rounds. */
  readonly rounds: number | undefined;
  readonly quick: boolean;
  /** The folder of a built worktree of an earlier commit, to measure beside this one. */
  readonly before?: string | undefined;
}

/** Something that was measured against a limit. */
export interface Target {
  readonly what: string;
  readonly value: Spread;
  readonly limit: number;
  readonly better: 'more' | 'less';
  readonly unit: string;
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What a suite found out. */
export interface SuiteResult {
  /** Name and version. */
  readonly server: string;
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
  /** What must not happen at all, such as a lost lock. */
  readonly failures: readonly string[];
  /** All figures of all rounds, for the results file. */
  readonly rounds: Readonly<Record<string, unknown>>;
}

export interface Suite {
  readonly title: string;
  run(effort: Effort, progress: Progress): Promise<SuiteResult>;
}

/** A target is met by the median. */
export function isMet({ value, limit, better }: Target): boolean {
  return better === 'more' ? value.median >= limit : value.median <= limit;
}

/** Whether most rounds agree with the verdict: otherwise the limit lies among the middle half of them. */
export function isClear({ value, limit }: Target): boolean {
  return limit <= value.low || limit >= value.high;
}

import type { Case } from './case.ts';
import type { Harness, Versions } from './harness.ts';

/** A declared capability. It counts as verified only if cases could check it. */
export interface Claim {
  readonly name: 'fencing' | 'fifo' | 'session' | 'push' | 'failover' | 'crossProcess' | 'shared' | 'permits';
  readonly verified: boolean;
  /** What the harness would need so that it can be verified. */
  readonly reason?: string | undefined;
}

/**
 * The outcome of a case. `known-failing`: it failed, and the harness lists it as failing. `unexpected-pass`: it passed although the
 * harness lists it as failing.
 */
export type Outcome = 'pass' | 'fail' | 'skip' | 'known-failing' | 'unexpected-pass';

/** The result of one case. */
export interface CaseResult extends Pick<Case, 'id' | 'level' | 'rule' | 'title'> {
  readonly outcome: Outcome;
  /** Why it was skipped, how it failed, or why the failure was expected. */
  readonly reason?: string | undefined;
  readonly error?: unknown;
  readonly ms: number;
  /** The figures that the case measured, by name. */
  readonly measures: Readonly<Record<string, number>>;
}

/** How many chances a case gave an intermittent fault to appear. */
export interface Races {
  readonly id: Case['id'];
  readonly chances: number;
  /** In how many of 100 such runs a fault with a rate of 1 in 500 would have been found. */
  readonly seenOf1In500: number;
}

/** The report of a run of the suite. `renderJson`, `renderMarkdown` and `renderBadge` render it. */
export interface Report {
  /** The name and version of the suite. Other versions have other cases. */
  readonly suite: { readonly name: string; readonly version: string };
  readonly harness: string;
  readonly adapter: string;
  /** The versions of adapter, client and server, if the harness gives them. */
  readonly versions: Versions;
  readonly node: string;
  readonly capabilities: Harness['capabilities'];
  readonly seed: Harness['seed'];
  /** The seed of the random choices of the cases. The same seed makes the same choices. */
  readonly drawn?: string | undefined;
  readonly thorough?: boolean | undefined;
  /** How long one call took at warm-up, in ms. */
  readonly latencyMs?: number | undefined;
  /** The declared capabilities, and whether they were verified. */
  readonly claims?: readonly Claim[] | undefined;
  /** How likely the races were to find a rare fault. */
  readonly races?: readonly Races[] | undefined;
  readonly results: readonly CaseResult[];
  readonly counts: Readonly<Record<Outcome, number>>;
  /** False if a filter left out cases, or if the run was aborted. */
  readonly complete: boolean;
  readonly ms: number;
  /** Unhandled rejections (H53). A single one fails the run. */
  readonly unhandled: readonly string[];
  /** True if no MUST failed (other than those known to fail), no case passed unexpectedly, and there was no unhandled rejection. */
  readonly ok: boolean;
}

/** What to report to a test runner: a failure, a skip with its reason, or `undefined` for a pass. */
export function verdictOf({
  outcome,
  level,
  reason,
  error,
}: CaseResult): { fail: unknown } | { skip: string } | undefined {
  if (outcome === 'pass') return undefined;
  // A runner prints the reason of a skip behind a title, so that it has one line.
  const [why = outcome] = (reason ?? outcome).split('\n');
  if (outcome === 'unexpected-pass') return { fail: new Error(why) };
  if (outcome === 'known-failing') return { skip: `known failing: ${why}` };
  if (outcome === 'skip') return { skip: why };
  return level === 'MUST' ? { fail: error } : { skip: `SHOULD failed: ${why}` };
}

import type { Case } from './case.ts';
import type { Claim } from './declared.ts';
import type { Harness, Versions } from './harness.ts';

/**
 * What became of a case: `known-failing` failed as the harness said it would, and `unexpected-pass` passed although the
 * harness lists it as failing.
 */
export type Outcome = 'pass' | 'fail' | 'skip' | 'known-failing' | 'unexpected-pass';

/** What became of one case. */
export interface CaseResult extends Pick<Case, 'id' | 'level' | 'rule' | 'title'> {
  readonly outcome: Outcome;
  /** Why it was skipped, how it failed, or why that was expected. */
  readonly reason?: string | undefined;
  readonly error?: unknown;
  readonly ms: number;
  /** Figures that the case took, by name. */
  readonly measures: Readonly<Record<string, number>>;
}

/** How many chances a case gave to a fault that shows now and then. */
export interface Races {
  readonly id: Case['id'];
  readonly chances: number;
  /** In how many of 100 runs such as this one a fault of 1 in 500 would have been seen. */
  readonly seenOf1In500: number;
}

/** What a run of the suite found; `renderJson`, `renderMarkdown` and `renderBadge` write it down. */
export interface Report {
  /** The suite's own version: other versions have other cases. */
  readonly suite: { readonly name: string; readonly version: string };
  readonly harness: string;
  readonly adapter: string;
  /** Of adapter, client and server, as far as the harness gives them. */
  readonly versions: Versions;
  readonly node: string;
  readonly capabilities: Harness['capabilities'];
  readonly seed: Harness['seed'];
  /** Of what the cases drew; the same seed draws the same. */
  readonly drawn?: string | undefined;
  readonly thorough?: boolean | undefined;
  /** How long one call took at warm-up, in ms. */
  readonly latencyMs?: number | undefined;
  /** What is declared, and whether it was verified. */
  readonly claims?: readonly Claim[] | undefined;
  /** What the races were good for. */
  readonly races?: readonly Races[] | undefined;
  readonly results: readonly CaseResult[];
  readonly counts: Readonly<Record<Outcome, number>>;
  /** False when a filter left cases out. */
  readonly complete: boolean;
  readonly ms: number;
  /** Promises that were rejected with nobody listening (H53); one of them fails the run. */
  readonly unhandled: readonly string[];
  /** True when every MUST passed, was skipped or is known to fail, nothing passed unexpectedly, and nothing was rejected unhandled. */
  readonly ok: boolean;
}

/** What a test runner is to be told of a result: a failure, a skip with its reason, or nothing, which is a pass. */
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

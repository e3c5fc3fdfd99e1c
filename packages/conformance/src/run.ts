import manifest from '../package.json' with { type: 'json' };
import { chosenCases } from './binding-options.ts';
import type { Case } from './case.ts';
import { cases } from './cases/index.ts';
import type { Harness } from './harness.ts';
import type { CaseResult, Outcome, Races, Report } from './report.ts';
import { startCases } from './start-cases.ts';
import { messageOf, openSuite, type Suite, type SuiteOptions } from './suite.ts';
import { noteUnhandled } from './unhandled.ts';

/** Which cases of the suite to run, and how. */
export interface RunOptions extends SuiteOptions {
  /** Which cases to run; default all. */
  readonly filter?: ((testCase: Case) => boolean) | undefined;
  /** Called with each result at once, to display progress. `of` is the total number of cases. */
  readonly onResult?: ((result: CaseResult, of: number) => void) | undefined;
  /** When it aborts, cases that have not started are skipped. Running cases continue to their end. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs the cases against a backend. Does not reject if a case fails. @throws TypeError for an incomplete harness, or without any case */
export async function runConformance(harness: Harness, options: RunOptions = {}): Promise<Report> {
  const unhandled = noteUnhandled();
  try {
    const startedAt = performance.now();
    const chosen = chosenCases(options);
    const suite = await openSuite(harness, options);
    const started = startCases(observed(suite, chosen.length, options), chosen);
    const results = await Promise.all(chosen.map((testCase) => started.get(testCase)!));
    // Rejections are reported a turn after they happen.
    await new Promise((resolve) => setImmediate(resolve));

    const counts: Record<Outcome, number> = { pass: 0, fail: 0, skip: 0, 'known-failing': 0, 'unexpected-pass': 0 };
    for (const { outcome } of results) counts[outcome]++;
    const failed = results.some(({ outcome, level }) => outcome === 'fail' && level === 'MUST');
    return {
      suite: { name: manifest.name, version: manifest.version },
      harness: harness.name,
      adapter: suite.adapterName,
      versions: (await harness.versions?.()) ?? {},
      node: process.version,
      capabilities: harness.capabilities,
      seed: harness.seed,
      drawn: suite.seed,
      thorough: suite.thorough,
      latencyMs: suite.latencyMs,
      claims: suite.verified(results),
      races: racesOf(results),
      results,
      counts,
      complete: chosen.length === cases.length && !options.signal?.aborted,
      ms: performance.now() - startedAt,
      unhandled: unhandled.errors.map(messageOf),
      ok: unhandled.errors.length === 0 && counts['unexpected-pass'] === 0 && !failed,
    };
  } finally {
    unhandled.stop();
  }
}

function racesOf(results: readonly CaseResult[]): Races[] {
  return results.flatMap(({ id, measures: { chances } }) =>
    chances === undefined
      ? []
      : [{ id, chances, seenOf1In500: Math.round(1_000 * (1 - (1 - 1 / 500) ** chances)) / 10 }],
  );
}

/** The suite, reporting each result, without the cases that would begin after a stop was requested. */
function observed(suite: Suite, of: number, { signal, onResult }: RunOptions): Suite {
  return {
    ...suite,
    run: (testCase) =>
      suite.run(testCase, async (run) => {
        const result = signal?.aborted ? notBegun(testCase) : await run();
        onResult?.(result, of);
        return result;
      }),
  };
}

function notBegun({ id, level, rule, title }: Case): CaseResult {
  const reason = 'the run was ended before its turn';
  return { id, level, rule, title, outcome: 'skip', reason, ms: 0, measures: {} };
}

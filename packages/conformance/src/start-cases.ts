import type { Case } from './case.ts';
import { CONCURRENCY, limiter } from './limiter.ts';
import type { CaseResult } from './report.ts';
import type { Suite } from './suite.ts';

/** Starts cases side by side, at most `concurrency` at a time, and after them, one by one, those that must run alone. */
export function startCases(
  suite: Suite,
  chosen: readonly Case[],
  concurrency: number = CONCURRENCY,
): ReadonlyMap<Case, Promise<CaseResult>> {
  const inTurn = limiter(concurrency);
  const results = new Map<Case, Promise<CaseResult>>();
  for (const testCase of chosen)
    if (!testCase.alone)
      results.set(
        testCase,
        inTurn(() => suite.run(testCase)),
      );
  let before: Promise<unknown> = Promise.all(results.values());
  for (const testCase of chosen) {
    if (!testCase.alone) continue;
    const result = before.then(() => suite.run(testCase));
    results.set(testCase, result);
    before = result;
  }
  return results;
}

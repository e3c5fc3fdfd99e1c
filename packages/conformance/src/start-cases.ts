import type { Case } from './case.ts';
import type { CaseResult } from './report.ts';
import type { Suite } from './suite.ts';

/** How many cases run side by side: they mostly wait, so the suite pays few TTLs. */
export const CONCURRENCY = 24;

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

function limiter(most: number): <T>(task: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = [];
  let running = 0;
  const next = () => {
    if (running >= most) return;
    const begin = queue.shift();
    if (begin) running++;
    begin?.();
  };
  const done = () => {
    running--;
    next();
  };
  return (task) =>
    new Promise((resolve, reject) => {
      queue.push(() => {
        const result = task();
        result.then(resolve, reject);
        result.then(done, done);
      });
      next();
    });
}

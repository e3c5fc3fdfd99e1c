import type { Case } from './case.ts';
import type { CaseResult } from './report.ts';
import type { Suite } from './suite.ts';

/** What runs side by side, the longest waits first, and what must run alone, after it. */
export function inOrderOfStart(chosen: readonly Case[]): { beside: readonly Case[]; alone: readonly Case[] } {
  const beside = chosen.filter(({ alone }) => !alone);
  return {
    beside: [...beside.filter(({ long }) => long), ...beside.filter(({ long }) => !long)],
    alone: chosen.filter(({ alone }) => alone),
  };
}

/** Starts cases side by side, as many at a time as the suite lets, and after them, one by one, those that must run alone. */
export function startCases(suite: Suite, chosen: readonly Case[]): ReadonlyMap<Case, Promise<CaseResult>> {
  const results = new Map<Case, Promise<CaseResult>>();
  const { beside, alone } = inOrderOfStart(chosen);
  for (const testCase of beside) {
    results.set(testCase, suite.run(testCase));
  }
  let before: Promise<unknown> = Promise.all(results.values());
  for (const testCase of alone) {
    const result = before.then(() => suite.run(testCase));
    results.set(testCase, result);
    before = result;
  }
  return results;
}

import type { Case } from './case.ts';
import type { CaseResult } from './report.ts';
import type { Suite } from './suite.ts';

/** Those that a run would wait for at its end if they did not come first, as measured. */
const longest: readonly string[] =
  '0122 0043 0044 0084 0291 0175 0261 0260 0147 0148 0149 0125 0126 0178 0367 0342 0054 0169 0046 0165 0159'.split(' ');

/** What runs side by side, the longest waits first, and what must run alone, after it. */
export function inOrderOfStart(chosen: readonly Case[]): { beside: readonly Case[]; alone: readonly Case[] } {
  const rank = ({ id, long }: Case): number => {
    const at = longest.indexOf(id.slice('LK-'.length));
    return at >= 0 ? at : longest.length + (long ? 0 : 1);
  };
  const beside = chosen.filter(({ alone }) => !alone);
  return {
    beside: beside.sort((a, b) => rank(a) - rank(b)),
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

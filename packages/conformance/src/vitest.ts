import { beforeAll, describe, it, vi } from 'vitest';
import { type BindingOptions, chosenCases } from './binding-options.ts';
import type { Harness } from './harness.ts';
import { verdictOf } from './report.ts';
import { inOrderOfStart } from './start-cases.ts';
import { openSuite, type Suite } from './suite.ts';

/** Registers every case as a Vitest test of the current file. A failing MUST fails. A failing SHOULD is skipped, with its reason. */
export function registerConformance(harness: Harness, options: BindingOptions = {}): void {
  const chosen = chosenCases(options);
  // The suite itself lets so many run at a time as are to.
  vi.setConfig({ maxConcurrency: chosen.length });
  describe(`conformance: ${harness.name}`, () => {
    let suite: Suite;
    beforeAll(async () => {
      suite = await openSuite(harness, options);
    });
    // Those that must run alone come last, so that the others stay one group.
    const { beside, alone } = inOrderOfStart(chosen);
    for (const testCase of [...beside, ...alone]) {
      const register = testCase.alone ? it.sequential : it.concurrent;
      // The suite has its own time-out per case, with a message.
      register(`${testCase.id} ${testCase.level} ${testCase.title}`, { timeout: 0, retry: 0 }, async ({ skip }) => {
        const verdict = verdictOf(await suite.run(testCase));
        if (verdict && 'skip' in verdict) skip(verdict.skip);
        if (verdict && 'fail' in verdict) throw verdict.fail;
      });
    }
  });
}

import { describe, it } from 'node:test';
import { type BindingOptions, chosenCases } from './binding-options.ts';
import type { Case } from './case.ts';
import type { Harness } from './harness.ts';
import { verdictOf } from './report.ts';
import { inOrderOfStart } from './start-cases.ts';
import { openSuite, type Suite } from './suite.ts';

/** Registers every case as a test of node:test. A failing MUST fails. A failing SHOULD is skipped, with its reason. */
export function registerConformance(harness: Harness, options: BindingOptions = {}): void {
  const chosen = chosenCases(options);
  let suite: Promise<Suite> | undefined;
  const register = (testCase: Case) => {
    it(`${testCase.id} ${testCase.level} ${testCase.title}`, async (test) => {
      // Opened with the first case, when the hooks of the file have started the backend.
      suite ??= openSuite(harness, options);
      const verdict = verdictOf(await (await suite).run(testCase));
      if (verdict && 'skip' in verdict) test.skip(verdict.skip);
      if (verdict && 'fail' in verdict) throw verdict.fail;
    });
  };
  const { beside, alone } = inOrderOfStart(chosen);
  describe(`conformance: ${harness.name}`, () => {
    // The suite itself lets so many run at a time as are to.
    describe('side by side', { concurrency: Math.max(1, beside.length) }, () => beside.forEach(register));
    describe('alone', { concurrency: 1 }, () => alone.forEach(register));
  });
}

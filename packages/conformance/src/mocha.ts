import { describe, it } from 'mocha';
import { type BindingOptions, chosenCases } from './binding-options.ts';
import type { Case } from './case.ts';

import type { Harness } from './harness.ts';
import { type CaseResult, verdictOf } from './report.ts';
import { startCases } from './start-cases.ts';
import { openSuite } from './suite.ts';

/**
 * Registers every case as a Mocha test. A failing MUST fails. A failing SHOULD is skipped; the title shows why a test was skipped.
 *
 * Mocha runs one test at a time, so all cases start together with the first test, and each test awaits its own case. The disadvantage is
 * that with `--grep` all cases run, although only the selected ones are reported.
 */
export function registerConformance(harness: Harness, options: BindingOptions = {}): void {
  const chosen = chosenCases(options);
  let started: Promise<ReadonlyMap<Case, Promise<CaseResult>>> | undefined;
  describe(`conformance: ${harness.name}`, () => {
    for (const testCase of chosen) {
      it(`${testCase.id} ${testCase.level} ${testCase.title}`, async function () {
        // The suite has its own time-out per case, with a message.
        this.timeout(0);
        started ??= openSuite(harness, options).then((suite) => startCases(suite, chosen));
        const verdict = verdictOf(await (await started).get(testCase)!);
        if (verdict && 'skip' in verdict) {
          this.test!.title += ` (${verdict.skip})`;
          this.skip();
        }
        if (verdict && 'fail' in verdict) throw verdict.fail;
      });
    }
  });
}

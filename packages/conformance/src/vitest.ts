import { beforeAll, describe, it, vi } from 'vitest';
import { cases } from './cases/index.ts';
import type { Harness } from './harness.ts';
import { CONCURRENCY } from './limiter.ts';
import { verdictOf } from './report.ts';
import { openSuite, type Suite } from './suite.ts';

/** Registers every case as a test of the current file. A failing MUST fails; a failing SHOULD and a skip show their reason. */
export function registerConformance(harness: Harness): void {
  vi.setConfig({ maxConcurrency: CONCURRENCY });
  describe(`conformance: ${harness.name}`, () => {
    let suite: Suite;
    beforeAll(async () => {
      suite = await openSuite(harness);
    });
    // Those that must run alone come last, so that the others stay one group.
    const inOrder = [...cases.filter(({ alone }) => !alone), ...cases.filter(({ alone }) => alone)];
    for (const testCase of inOrder) {
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

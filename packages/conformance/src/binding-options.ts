import type { Case } from './case.ts';
import { cases } from './cases/index.ts';
import type { SuiteOptions } from './suite.ts';

/** Options of `registerConformance`, for each test runner. */
export interface BindingOptions extends SuiteOptions {
  /** Which cases to register; default all. */
  readonly filter?: ((testCase: Case) => boolean) | undefined;
}

/** The cases that are to run. @throws TypeError when there are none: nothing would fail */
export function chosenCases({ filter }: Pick<BindingOptions, 'filter'>): readonly Case[] {
  const chosen = filter ? cases.filter(filter) : cases;
  if (chosen.length === 0) throw new TypeError('The filter leaves no case of the suite');
  return chosen;
}

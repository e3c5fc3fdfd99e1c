import type { Case } from './case.ts';
import { cases } from './cases/index.ts';
import type { SuiteOptions } from './suite.ts';

/** What a binding to a test runner may be told. */
export interface BindingOptions extends SuiteOptions {
  /** Which cases to register; default all. */
  readonly filter?: ((testCase: Case) => boolean) | undefined;
  /** How many cases run side by side; default 24. */
  readonly concurrency?: number | undefined;
}

/** The cases that a binding registers. @throws TypeError when there are none */
export function chosenCases({ filter }: BindingOptions): readonly Case[] {
  const chosen = filter ? cases.filter(filter) : cases;
  if (chosen.length === 0) throw new TypeError('The filter of registerConformance leaves no case');
  return chosen;
}

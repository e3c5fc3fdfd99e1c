export type { Case, Gate, Need } from './case.ts';
export { cases } from './cases/index.ts';
export type { Context, RawHold } from './context.ts';
export type { Harness, Hooks, Timing } from './harness.ts';
export { type CaseResult, openSuite, type Report, type RunOptions, runConformance, type Suite } from './run.ts';

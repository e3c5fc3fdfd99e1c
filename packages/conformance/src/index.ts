export type { Case, Gate, Need } from './case.ts';
export { cases } from './cases/index.ts';
export type { Context, Outside, RawHold } from './context.ts';
export type { Harness, Hooks, ProcessClient, Timing, Versions } from './harness.ts';
export { type Hazard, hazards } from './hazards.ts';
export { renderBadge, renderJson, renderMarkdown } from './render.ts';
export type { CaseResult, Outcome, Report } from './report.ts';
export { type RunOptions, runConformance } from './run.ts';
export { openSuite, type Suite } from './suite.ts';

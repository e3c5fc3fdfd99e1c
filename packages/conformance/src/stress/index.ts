export { checkHolderWrites, type Judgement, judge } from './judge.ts';
export type { Orphan } from './messages.ts';
export {
  type Nemesis,
  nemeses,
  type StressOptions,
  type StressProgress,
  type StressSettings,
  unavailable,
} from './options.ts';
export { renderStressLine, renderStressMarkdown, stressFacts, stressFindings } from './render.ts';
export type { StressCounts, StressReport } from './report.ts';
export { runStress, type StressRun } from './run.ts';

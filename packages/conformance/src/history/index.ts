export { type CheckOptions, checkHistory, type HistoryReport } from './check.ts';
export { formatEvent, type HistoryEvent, parseHistory, readHistoryFiles } from './events.ts';
export { checkFences, checkWrites, isAmbiguous } from './fences.ts';
export { type Call, type History, type Hold, interpret, type Place, type Write } from './holds.ts';
export {
  type Entered,
  type Fenced,
  type FencedEntered,
  fenced,
  fifo,
  type LockOp,
  mutex,
  ownerAware,
  type Queue,
  reentrant,
  reentrantFenced,
} from './models.ts';
export { operationsOf, placesOf, refusalsOf } from './operations.ts';
export { createRecorder, type Recorder, type RecorderOptions } from './recorder.ts';
export { renderHtml } from './render-html.ts';
export { renderText } from './render-text.ts';
export { split } from './split.ts';
export { checkExclusion, type ExclusionOptions, type Violation } from './sweep.ts';
export { checkLinearizable, type Linearization, type Model, type Operation } from './wgl.ts';

export { call } from './call.ts';
export { say } from './output.ts';
export { runExample, type Stage } from './run-example.ts';
export { startWorker, type Worker } from './workers.ts';

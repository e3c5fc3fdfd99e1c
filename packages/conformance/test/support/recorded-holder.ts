import { memoryAdapter } from '../../../adapter-memory/src/index.ts';
import { createRecorder } from '../../src/history/index.ts';

/** Takes "k", says so, and waits to be killed. */
const recorder = createRecorder({ file: process.argv[2], process: 'child' });
await recorder.adapter(memoryAdapter()).tryAcquire({
  ...{ key: 'k', owner: 'of the child', ttlMs: 600_000, tokens: 1 },
  signal: new AbortController().signal,
});
process.send!('held');
setInterval(() => {}, 60_000);

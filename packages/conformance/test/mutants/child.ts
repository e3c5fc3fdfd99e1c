import { fakeTime } from './virtual-time.ts';

/** Finds in a process of its own: no clock but this one's is faked, and what a mutant rejects reaches no test runner. */
fakeTime();
const { findAll } = await import('./findings.ts');
const findings = await findAll(process.argv.includes('--whole'), (done, of) => process.send!({ done, of }));
process.send!({ findings }, () => process.exit());

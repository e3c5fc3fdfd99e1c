// The suite a number of times on one backend of ours, for `pnpm repeats`: the arguments are its name and the number.
import { ownBackends } from './own-backends.ts';
import { ownSuite } from './own-suite.ts';

/** What came of the runs on one backend. */
export interface Repeats {
  readonly title: string;
  readonly runs: number;
  readonly failures: readonly { readonly run: number; readonly id: string; readonly reason: string }[];
  readonly slowestMs: number;
}

const [name, count] = process.argv.slice(2);
const backend = ownBackends.find((one) => one.name === name);
if (backend === undefined) throw new Error(`There is no backend ${name}.`);
const { title } = backend;
const runs = Number(count);
const failures: { run: number; id: string; reason: string }[] = [];
let slowestMs = 0;
for (let run = 1; run <= runs; run += 1) {
  const { counts, results, ms } = await ownSuite(backend);
  const failed = results.filter(({ outcome }) => outcome === 'fail' || outcome === 'unexpected-pass');
  console.log(`${failed.length === 0 ? '✓' : '✗'} ${title}, run ${run} of ${runs}: ${JSON.stringify(counts)}`);
  for (const { id, reason = '' } of failed) {
    console.log(`    ${id} ${reason}`);
    failures.push({ run, id, reason });
  }
  slowestMs = Math.max(slowestMs, ms);
}
const repeats: Repeats = { title, runs, failures, slowestMs };
process.send?.(repeats, () => process.disconnect());

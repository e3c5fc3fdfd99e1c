// The suite a number of times on one backend of ours, for `pnpm flake-check`: the arguments are its name and the number.
import { ownBackends } from './own-backends.ts';
import { ownSuite } from './own-suite.ts';

/** What came of one run; each is told as soon as it is over. */
export interface OneRun {
  readonly failures: readonly { readonly id: string; readonly reason: string }[];
  /** Cases that came to no verdict, because the machine stalled. */
  readonly undecided: readonly string[];
  readonly ms: number;
}

const [name, count] = process.argv.slice(2);
const backend = ownBackends.find((one) => one.name === name);
if (backend === undefined) throw new Error(`There is no backend ${name}.`);
for (let run = 1; run <= Number(count); run += 1) {
  const { counts, results, unhandled, ms } = await ownSuite(backend);
  const failures = [
    ...results.filter(({ outcome }) => outcome === 'fail' || outcome === 'unexpected-pass'),
    ...unhandled.map((reason) => ({ id: 'rejected without a listener', reason })),
  ].map(({ id, reason = '' }) => ({ id, reason }));
  const undecided = results
    .filter(({ reason }) =>
      /^(?:the machine stalled|the backend was starved|this machine was starved)/.test(reason ?? ''),
    )
    .map(({ id }) => id);
  const mark = failures.length === 0 ? '✓' : '✗';
  console.log(
    `${mark} ${backend.title}, run ${run} of ${count}: ${JSON.stringify(counts)} in ${(ms / 1_000).toFixed(0)} s ${undecided.join(' ')}`,
  );
  for (const { id, reason } of failures) console.log(`    ${id} ${reason}`);
  process.send?.({ failures, undecided, ms } satisfies OneRun);
}
process.disconnect?.();

import { type Report, runConformance } from '@holdfast/conformance';
import { startServers, type Trial, trials } from './trials.ts';

/** What the suite found in one way to use a library. */
export interface TrialResult {
  readonly name: string;
  readonly passed: number;
  readonly failed: Readonly<Record<string, string>>;
  readonly unhandled: readonly string[];
}

// A fault of timing does not show, or has no verdict, where the machine stalls at the wrong time.
const mostRuns = 3;

/** Runs the suite, and the cases again whose known faults did not show. */
async function run(trial: Trial): Promise<TrialResult> {
  let result = await runOnce(trial, trial.only);
  for (let runs = 1; runs < mostRuns; runs += 1) {
    const missing = Object.keys(trial.faults).filter((id) => !(id in result.failed));
    if (missing.length === 0) break;
    const again = await runOnce(trial, missing);
    result = {
      ...result,
      failed: { ...result.failed, ...again.failed },
      unhandled: [...result.unhandled, ...again.unhandled],
    };
  }
  return result;
}

async function runOnce(trial: Trial, only: readonly string[] | undefined): Promise<TrialResult> {
  const { servers, stop } = await startServers(trial);
  const closers: (() => Promise<void>)[] = [];
  try {
    const filter = only && (({ id }: { id: string }) => only.includes(id));
    const { results, counts, unhandled }: Report = await runConformance(trial.harness(servers, closers), { filter });
    const failed = results.filter(({ outcome }) => outcome === 'fail');
    return {
      name: trial.name,
      passed: counts.pass,
      failed: Object.fromEntries(failed.map(({ id, title, reason }) => [id, `${title}: ${reason?.split('\n')[0]}`])),
      unhandled,
    };
  } finally {
    for (const close of closers) await close();
    await stop();
  }
}

// What the libraries reject between the runs is noted in the runs.
process.on('unhandledRejection', () => {});
const wanted = process.argv[2];
const results: TrialResult[] = [];
for (const trial of trials.filter(({ name }) => wanted === undefined || name === wanted)) {
  const result = await run(trial);
  results.push(result);
  const lines = Object.entries(result.failed).map(([id, why]) => `  ${id} ${why}${noted(trial.faults[id])}`);
  const unhandled =
    result.unhandled.length > 0 ? [`  ${result.unhandled.length} unhandled: ${result.unhandled[0]}`] : [];
  process.stdout.write(
    `${[`${trial.name}: ${result.passed} passed, ${lines.length} failed`, ...lines, ...unhandled].join('\n')}\n\n`,
  );
}
// Exit explicitly: Node 20 was seen to spin without end when it frees sockets that clients left open (Environment::CleanupHandles).
if (process.send) process.send({ results }, () => process.exit());
else process.exit();

function noted(fault: string | undefined): string {
  return fault === undefined ? '' : `\n    known: ${fault}`;
}

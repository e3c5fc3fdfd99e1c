import { type Harness, type Report, type RunOptions, runConformance } from '../../src/index.ts';
import { mutants } from './all.ts';
import { baseNames, harnessOf } from './bases.ts';
import { combinations } from './combinations.ts';
import { leftovers } from './looking.ts';
import { inVirtualTime } from './virtual-time.ts';

/** What the suite said of one adapter. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** How many cases it passed: it is no proof to pass what was skipped. */
  readonly passed: number;
  /** Every case that failed, with its message, by id. */
  readonly failed: Readonly<Record<string, string>>;
  readonly unhandled: readonly string[];
}

export interface Findings {
  /** The adapters that the mutants are made from, and the reference with every combination of capabilities. */
  readonly right: readonly Finding[];
  /** In the order of `mutants`. */
  readonly mutants: readonly Finding[];
}

/** Case after case, so that what one finds does not depend on the others. */
const OPTIONS: RunOptions = { concurrency: 1 };

/** Runs the whole suite on every right adapter and on every mutant, one after the other in virtual time. */
export async function findAll(onProgress: (done: number, of: number) => void = () => {}): Promise<Findings> {
  // What a mutant rejects after its run is over is nobody's concern.
  process.on('unhandledRejection', () => {});
  const right = [...baseNames.map((name) => harnessOf(name)), ...combinations()];
  const wrong = mutants.map((mutant) => harnessOf(mutant.base, mutant));
  const findings: Finding[] = [];
  for (const harness of [...right, ...wrong]) {
    findings.push(await find(harness));
    onProgress(findings.length, right.length + wrong.length);
  }
  return { right: findings.slice(0, right.length), mutants: findings.slice(right.length) };
}

async function find(harness: Harness): Promise<Finding> {
  try {
    const report: Report = await inVirtualTime(() => runConformance(harness, OPTIONS));
    const failed = report.results.filter(({ outcome }) => outcome === 'fail');
    return {
      name: harness.name,
      ok: report.ok,
      passed: report.counts.pass,
      failed: Object.fromEntries(failed.map(({ id, reason }) => [id, reason ?? ''])),
      unhandled: report.unhandled,
    };
  } finally {
    for (const clear of leftovers.splice(0)) clear();
  }
}

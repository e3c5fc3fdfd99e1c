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
  /** How many those are in a whole run. */
  readonly rightInAll: number;
  /** In the order of `mutants`. */
  readonly mutants: readonly Finding[];
}

/** Case after case, so that what one finds does not depend on the others. */
const OPTIONS: RunOptions = { concurrency: 1 };

/** The same choices in each run of `npm test`; a whole run draws new ones. */
const SEED = 'mutants';

/**
 * Runs the suite on every right adapter and on every mutant, one after the other in virtual time. That takes minutes. Unless
 * `whole`, a mutant meets only the cases that are there for its bug, and one in seven of the combinations stands for them all.
 */
export async function findAll(
  whole: boolean,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<Findings> {
  // What a mutant rejects after its run is over is nobody's concern.
  process.on('unhandledRejection', () => {});
  const options: RunOptions = whole ? OPTIONS : { ...OPTIONS, seed: SEED };
  const all = combinations();
  // No count of values of an option is a multiple of seven, so each value comes up.
  const chosen = whole ? all : all.filter((_, i) => i % 7 === 0);
  const right = [...baseNames.map((name) => harnessOf(name)), ...chosen];
  const findings: Finding[] = [];
  const note = (finding: Finding) => {
    findings.push(finding);
    onProgress(findings.length, right.length + mutants.length);
  };
  for (const harness of right) note(await find(harness, options));
  for (const mutant of mutants) {
    const filter = whole ? undefined : ({ id }: { id: string }) => mutant.caughtBy.includes(id);
    note(await find(harnessOf(mutant.base, mutant), { ...options, filter }));
  }
  return {
    right: findings.slice(0, right.length),
    rightInAll: baseNames.length + all.length,
    mutants: findings.slice(right.length),
  };
}

async function find(harness: Harness, options: RunOptions): Promise<Finding> {
  try {
    const report: Report = await inVirtualTime(() => runConformance(harness, options));
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

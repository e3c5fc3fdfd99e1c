import type { Case, CaseResult, Harness, Report } from '@holdfast/conformance';
import { shownDuration } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { note, shown, styledNote } from '../output.ts';
import { loadSuite } from './load-suite.ts';
import { checkOutputs, type Output, writeOutput } from './outputs.ts';
import { createProgress } from './progress.ts';

export interface SuiteOptions {
  readonly filter?: string | undefined;
  readonly json?: Output;
  readonly markdown?: Output;
  readonly badge?: Output;
}

/** Runs the suite, shows the progress and the result, and returns the exit code. */
export async function checkSuite(harness: Harness, options: SuiteOptions, signal: AbortSignal): Promise<number> {
  const { json, markdown, badge } = options;
  checkOutputs([json, markdown, badge]);
  const suite = await loadSuite();
  const filter = caseFilter(options.filter);
  if (!suite.cases.some(filter)) throw new Failure(`No case matches --filter ${options.filter}.`);
  const progress = createProgress(5_000);
  const done: Record<string, number> = {};
  let count = 0;
  const onResult = (result: CaseResult, of: number): void => {
    done[result.outcome] = (done[result.outcome] ?? 0) + 1;
    if (isBad(result)) progress.keep(findingOf(result));
    progress.show(`${++count}/${of}  ${sumsOf(done)}`);
  };
  let report: Report;
  try {
    progress.show(`${harness.name}: connecting`);
    report = await suite.runConformance(harness, { filter, signal, onResult });
  } finally {
    progress.end();
  }
  summarize(report);
  await writeOutput(json, suite.renderJson(report));
  await writeOutput(markdown, suite.renderMarkdown(report));
  await writeOutput(badge, suite.renderBadge(report));
  signal.throwIfAborted();
  return report.ok ? exitCodes.ok : exitCodes.no;
}

/** Cases with one of the words in their id, level, rule, title, or among their hazards. */
function caseFilter(words: string | undefined): (testCase: Case) => boolean {
  const wanted = (words ?? '')
    .toLowerCase()
    .split(',')
    .map((word) => word.trim());
  return ({ id, level, rule, title, hazards }) => {
    const names = [id, level, rule, ...hazards.map((number) => `H${number}`)].map((name) => name.toLowerCase());
    return wanted.some((word) => names.includes(word) || title.toLowerCase().includes(word));
  };
}

const isBad = ({ outcome }: CaseResult): boolean => outcome === 'fail' || outcome === 'unexpected-pass';

function findingOf({ id, level, rule, title, outcome, reason = '' }: CaseResult): string {
  const mark = level === 'MUST' ? styledNote('red', '✗') : styledNote('yellow', '!');
  const what = outcome === 'unexpected-pass' ? 'passes unexpectedly' : `${level} ${rule}`;
  return `${mark} ${id} ${what}: ${title}\n    ${shown(reason.replaceAll(/\s*\n\s*/g, ' · '))}`;
}

function sumsOf(counts: Readonly<Record<string, number>>): string {
  const outcomes = ['pass', 'fail', 'unexpected-pass', 'known-failing', 'skip'].filter(
    (outcome) => (counts[outcome] ?? 0) > 0,
  );
  return outcomes.map((outcome) => `${counts[outcome]} ${outcome}`).join(', ');
}

function summarize({ harness, versions, suite, node, results, counts, ms, ok, complete, unhandled }: Report): void {
  const tested = [versions.adapter, versions.client, versions.server, `Node ${node.slice(1)}`]
    .filter(Boolean)
    .join(' · ');
  for (const what of unhandled) note(`${styledNote('red', '✗')} rejected with nobody listening: ${shown(what)}`);
  const reasons = new Map<string, string[]>();
  for (const { id, outcome, reason = '' } of results) {
    if (outcome === 'skip') reasons.set(reason, [...(reasons.get(reason) ?? []), id]);
  }
  for (const [reason, ids] of reasons) note(styledNote('dim', `skipped ${few(ids)}: ${reason}`));
  const verdict = ok ? styledNote('green', 'conforms') : styledNote('red', 'does not conform');
  note(
    `${styledNote('bold', harness)} ${verdict}${complete ? '' : ', in a part of the suite'}: ${sumsOf(counts)} in ${shownDuration(ms)}`,
  );
  note(styledNote('dim', `${suite.name} ${suite.version} on ${tested}`));
}

const few = (ids: readonly string[]): string => (ids.length > 4 ? `${ids.length} cases` : ids.join(', '));

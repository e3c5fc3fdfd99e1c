import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Harness } from '@holdfast/conformance';
import type { Nemesis, StressProgress, StressRun } from '@holdfast/conformance/stress';
import { shownDuration } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { Failure } from '../failure.ts';
import { note, shown, styledNote, withoutPasswords } from '../output.ts';
import { loadHistories, loadStress } from './load-suite.ts';
import { checkOutputs, type Output, writeOutput } from './outputs.ts';
import { createProgress } from './progress.ts';

export interface StressOptions {
  readonly stress: number;
  readonly processes?: number | undefined;
  readonly clients?: number | undefined;
  readonly keys?: number | undefined;
  readonly nemesis?: readonly Nemesis[] | undefined;
  readonly seed?: string | undefined;
  readonly ttl?: number | undefined;
  readonly out?: string | undefined;
  readonly json?: Output;
  readonly markdown?: Output;
}

/** Runs the random workload with faults, shows the progress and the verdict on the history, and returns the exit code. */
export async function checkStress(harness: Harness, options: StressOptions, signal: AbortSignal): Promise<number> {
  const { stress: durationMs, processes, clients, keys, nemesis, seed, ttl: ttlMs, json, markdown } = options;
  checkOutputs([json, markdown]);
  const stress = await loadStress();
  for (const name of nemesis ?? []) {
    const why = stress.unavailable(name, harness);
    if (why !== undefined) throw new Failure(`The fault "${name}" cannot be played on ${harness.name}: ${why}.`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-stress-'));
  const progress = createProgress(10_000);
  try {
    let run: StressRun;
    try {
      const onProgress = (now: StressProgress) => progress.show(lineOf(now, durationMs));
      progress.show(`${harness.name}: starting processes`);
      run = await stress.runStress(harness, {
        ...{ durationMs, processes, clients, keys, nemesis, seed, ttlMs, folder, onProgress, signal },
      });
    } catch (error) {
      throw error instanceof TypeError ? new Failure(error.message) : error;
    } finally {
      progress.end();
    }
    const { report } = run;
    for (const [name, value] of stress.stressFacts(report))
      note(`${styledNote('dim', name.padEnd(32))} ${shown(value)}`);
    for (const finding of stress.stressFindings(report)) note(`${styledNote('red', '✗')} ${shownLines(finding)}`);
    note(styledNote(report.ok ? 'green' : 'red', stress.renderStressLine(report)));
    if (!report.ok) await keepEvidence(run, folder, options.out ?? `holdfast-stress-${report.settings.seed}`);
    await writeOutput(json, `${JSON.stringify(report, null, 2)}\n`);
    await writeOutput(markdown, stress.renderStressMarkdown(report));
    signal.throwIfAborted();
    return report.ok ? exitCodes.ok : exitCodes.no;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function lineOf({ elapsedMs, holds, faults, doing }: StressProgress, durationMs: number): string {
  const counted = `${holds.toLocaleString('en')} holds, ${faults.toLocaleString('en')} faults`;
  if (doing !== 'running') return `${counted}, ${doing}`;
  return `${shownDuration(Math.floor(elapsedMs / 1_000) * 1_000)} of ${shownDuration(durationMs)}  ${counted}`;
}

/** Keeps the histories, and draws the moments around each violation as text and as a page. */
async function keepEvidence({ history, violations, faults }: StressRun, from: string, out: string): Promise<void> {
  const { renderText, renderHtml } = await loadHistories();
  const folder = resolve(out);
  await mkdir(folder, { recursive: true });
  const begin = history.events[0]?.t ?? 0;
  const played = faults.map(({ t, what }) => `${((t - begin) / 1_000).toFixed(3).padStart(10)} s  ${what}\n`);
  const violationTexts = violations.slice(0, mostDrawn).map((violation) => renderText(history, violation));
  const pages: [string, string][] = [
    ['violations.txt', violationTexts.join('\n\n')],
    ['violations.html', renderHtml(history, violations.slice(0, mostDrawn))],
    ['faults.txt', played.join('')],
  ];
  for (const [name, text] of pages) await writeFile(join(folder, name), withoutPasswords(text));
  await cp(from, join(folder, 'histories'), { recursive: true });
  note(shownLines(violationTexts[0] ?? ''));
  note(`Evidence: ${join(folder, 'violations.html')}, violations.txt, faults.txt and the histories`);
}

const mostDrawn = 20;

const shownLines = (text: string): string => text.split('\n').map(shown).join('\n');

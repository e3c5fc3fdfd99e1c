import { cell, row } from '../markdown.ts';
import type { StressReport } from './report.ts';

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
const seconds = (ms: number): string =>
  ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${(ms / 60_000).toFixed(1)} min`;

/** Renders the outcome of a stress run as one line. */
export function renderStressLine({ ok, violations, orphans, troubles, counts, ms, interrupted }: StressReport): string {
  const found = [
    plural(violations.length, 'violation'),
    plural(orphans.length, 'orphan'),
    `${troubles.length.toLocaleString('en')} unhandled`,
  ].join(', ');
  const verdict = ok ? 'Sound' : counts.granted === 0 ? 'Nothing proved: no lock was ever had' : 'NOT SOUND';
  return `${verdict}: ${found} in ${plural(counts.granted, 'hold')} over ${seconds(ms)}${interrupted ? ', ended early' : ''}.`;
}

/** Returns the settings and counts of a stress run, as pairs of a name and a text. */
export function stressFacts(report: StressReport): [string, string][] {
  const { settings, counts, faults, versions, suite, node, machine, processes } = report;
  const injected = Object.entries(faults).map(([name, count]) => `${name} ${count}`);
  const workload = [
    plural(settings.processes, 'process', 'processes'),
    plural(settings.clients, 'client'),
    plural(settings.tasks, 'task'),
  ].join(' x ');
  const facts: [string, string | undefined][] = [
    ['suite', `${suite.name} ${suite.version}`],
    ['adapter', versions.adapter],
    ['client', versions.client],
    ['server', versions.server],
    ['Node', node],
    ['machine', machine],
    ['seed', settings.seed],
    ['workload', `${workload} on ${plural(settings.keys, 'key')}, leases of ${settings.ttlMs} ms`],
    ['faults', injected.length > 0 ? injected.join(', ') : 'none'],
    ['processes in all', processes.toLocaleString('en')],
    ['asked', counts.asked.toLocaleString('en')],
    ['granted', counts.granted.toLocaleString('en')],
    ['of them shared', counts.shared.toLocaleString('en')],
    ['of them permits', counts.permits.toLocaleString('en')],
    ['busy, or not in time', counts.busy.toLocaleString('en')],
    ['given up, or without an answer', counts.unanswered.toLocaleString('en')],
    ['ended without a release', counts.ended.toLocaleString('en')],
    ['writes accepted', counts.writes.toLocaleString('en')],
    ['stale writes refused', counts.refused.toLocaleString('en')],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

/** Returns everything that went wrong in a stress run, as texts. */
export function stressFindings({ violations, orphans, troubles }: StressReport): string[] {
  return [...violations, ...orphans.map(({ key, why }) => `"${key}" was left behind: ${why}`), ...troubles];
}

/** Renders the report of a stress run as a Markdown page. */
export function renderStressMarkdown(report: StressReport): string {
  const findings = stressFindings(report);
  return [
    `# Stress run: ${cell(report.harness)}`,
    '',
    renderStressLine(report),
    '',
    row('', ''),
    row('---', '---'),
    ...stressFacts(report).map(([name, value]) => row(name, value)),
    '',
    ...findings.flatMap((finding) => [`- ${cell(finding)}`]),
    ...(findings.length > 0 ? [''] : []),
  ].join('\n');
}

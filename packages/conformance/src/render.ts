import type { Capabilities } from '@holdfast/lock-core';
import { row } from './markdown.ts';
import type { CaseResult, Report } from './report.ts';

/** The report as JSON, without the error objects; their messages stand in `reason`. */
export function renderJson(report: Report): string {
  const results = report.results.map(({ error: _, ms, ...result }) => ({ ...result, ms: Math.round(ms) }));
  return `${JSON.stringify({ ...report, results, ms: Math.round(report.ms) }, null, 2)}\n`;
}

/** How many of the MUST cases that apply passed. */
function mustOf({ results }: Report): { passed: number; of: number } {
  const ran = results.filter(({ level, outcome }) => level === 'MUST' && outcome !== 'skip');
  const passed = ran.filter(({ outcome }) => outcome === 'pass' || outcome === 'unexpected-pass');
  return { passed: passed.length, of: ran.length };
}

const promises = ({ fencing, fairness, survivesFailover }: Capabilities): string[] => [
  ...(fencing ? ['fencing'] : []),
  ...(fairness === 'fifo' ? ['fifo'] : []),
  ...(survivesFailover ? ['failover'] : []),
];

/**
 * A badge for shields.io, as JSON of its endpoint format: green when every MUST that applies passed, yellow when some are
 * known to fail, red when the run failed, grey when a filter left cases out.
 */
export function renderBadge(report: Report): string {
  const { passed, of } = mustOf(report);
  const message = [`MUST ${passed}/${of}`, promises(report.capabilities).join(', ')].filter(Boolean).join(' · ');
  const whole = passed === of ? 'brightgreen' : 'yellow';
  const color = !report.ok ? 'red' : report.complete ? whole : 'lightgrey';
  const shown = report.complete ? message : `${message} · part of the suite`;
  return `${JSON.stringify({ schemaVersion: 1, label: 'holdfast', message: shown, color })}\n`;
}

/**
 * The report as a page of Markdown.
 *
 * @param contract where CONTRACT.md is, to link each case to its rule; default: the rules are named, not linked
 */
export function renderMarkdown(report: Report, contract?: string): string {
  const { suite, harness, adapter, versions, node, capabilities, seed, counts, results, unhandled } = report;
  const { passed, of } = mustOf(report);
  const { ttl, ...flags } = capabilities;
  const rule = (name: string) => (contract === undefined ? name : `[${name}](${contract}#${name.toLowerCase()})`);
  const caseRow = ({ id, level, rule: name, title, outcome, ms, reason = '' }: CaseResult) =>
    row(id, level, rule(name), title, outcome, `${Math.round(ms)}`, reason);
  const facts = [
    ['suite', `${suite.name} ${suite.version}`],
    ['adapter', versions.adapter ?? adapter],
    ['client', versions.client],
    ['server', versions.server],
    ['Node', node],
    ...Object.entries(flags).map(([name, value]) => [name, String(value)]),
    ...Object.entries(ttl).map(([name, value]) => [`ttl.${name}`, String(value)]),
    ['seed', seed?.toString()],
  ];
  const verdict = !report.ok ? 'Does not conform' : passed < of ? 'Conforms but for what is known to fail' : 'Conforms';
  const part = report.complete ? '' : ', of a part of the suite';
  const outcomes = Object.entries(counts).filter(([, count]) => count > 0);
  const sums = outcomes.map(([outcome, count]) => `${count} ${outcome}`).join(', ');
  return [
    `# Conformance: ${harness}`,
    '',
    `${verdict}: ${passed} of ${of} MUST cases that apply passed${part}. ${sums}; ${(report.ms / 1_000).toFixed(1)} s.`,
    ...(unhandled.length > 0 ? ['', `Rejected with nobody listening: ${unhandled.join('; ')}`] : []),
    '',
    row('', ''),
    row('---', '---'),
    ...facts.filter(([, value]) => value !== undefined).map(([name, value]) => row(name!, value!)),
    '',
    row('case', 'level', 'rule', 'title', 'outcome', 'ms', 'reason'),
    row('---', '---', '---', '---', '---', '--:', '---'),
    ...results.map(caseRow),
    '',
  ].join('\n');
}

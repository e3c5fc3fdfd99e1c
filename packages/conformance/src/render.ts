import { row } from './markdown.ts';
import type { CaseResult, Races, Report } from './report.ts';

/** Renders the report as JSON, without the error objects. `reason` has their messages. */
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

const inBadge: readonly string[] = ['fencing', 'fifo', 'failover'];

/** What the badge says was verified. Reports of earlier versions do not tell; their words are those of the capabilities. */
function verifiedOf({ claims, capabilities }: Report): string[] {
  if (claims) return claims.filter(({ name, verified }) => verified && inBadge.includes(name)).map(({ name }) => name);
  const { fencing, fairness, survivesFailover } = capabilities;
  return [fencing && 'fencing', fairness === 'fifo' && 'fifo', survivesFailover && 'failover'].filter(
    (word) => word !== false,
  );
}

const unverifiedOf = ({ claims = [] }: Report): string[] =>
  claims.filter(({ verified }) => !verified).map(({ name }) => name);

/**
 * Renders a badge for shields.io, in its endpoint format (JSON). It is red if the run failed, and grey if a filter left out cases. It is
 * green if every MUST that applies passed and every declared capability was verified, and yellow if some cases are known to fail or some
 * capabilities were not verified. It names the verified capabilities, and marks the others as not verified.
 */
export function renderBadge(report: Report): string {
  const { passed, of } = mustOf(report);
  const unverified = unverifiedOf(report);
  const words = [`MUST ${passed}/${of}`, verifiedOf(report).join(', ')];
  if (report.complete && unverified.length > 0) words.push(`declared, not verified: ${unverified.join(', ')}`);
  if (!report.complete) words.push('part of the suite');
  const whole = passed === of && unverified.length === 0 ? 'brightgreen' : 'yellow';
  const color = !report.ok ? 'red' : report.complete ? whole : 'lightgrey';
  const message = words.filter(Boolean).join(' · ');
  return `${JSON.stringify({ schemaVersion: 1, label: 'holdfast', message, color })}\n`;
}

const racesText = ({ chances, seenOf1In500 }: Races): string =>
  `${chances.toLocaleString('en')} chances: a fault in one of 500 would be seen in ${seenOf1In500} of 100 such runs`;

/**
 * Renders the report as a Markdown page.
 *
 * @param contract The address of CONTRACT.md, to link each case to its rule. By default, the rules are named but not linked.
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
    ['seed of the cases', report.drawn],
    ...(report.claims ?? []).map(({ name, verified, reason }) => [
      `declared: ${name}`,
      verified ? 'verified' : `declared, not verified: ${reason}`,
    ]),
    ...(report.races ?? []).map((race) => [`races of ${race.id}`, racesText(race)]),
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

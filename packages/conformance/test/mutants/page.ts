import { cases } from '../../src/index.ts';
import { groups } from './all.ts';
import type { Findings } from './findings.ts';
import { outsideGroups } from './outside.ts';
import { redisMutants } from './redis.ts';

/** Mutants on servers: what finds them is asserted where they run. */
const onServers: Readonly<Record<string, readonly Pick<Row, 'bug' | 'seenIn' | 'caughtBy'>[]>> = {
  ...outsideGroups,
  'As tutorials teach it, on real Redis servers': redisMutants,
};

/** A mutant and what found it. */
export interface Row {
  readonly bug: string;
  readonly seenIn: string;
  readonly caughtBy: readonly string[];
  /** All cases that found it; of a mutant on a server only those are run that are there for it. */
  readonly foundBy: readonly string[];
  /** What the first case of `caughtBy` said. */
  readonly message: string | undefined;
}

/** The mutants by group, with what found them. */
export function rowsOf(findings: Findings): Map<string, Row[]> {
  const rows = new Map<string, Row[]>();
  let next = 0;
  for (const [group, mutants] of Object.entries(groups)) {
    const rowsOfGroup = mutants.map(({ bug, seenIn, caughtBy }) => {
      const { failed } = findings.mutants[next++]!;
      return { bug, seenIn, caughtBy, foundBy: Object.keys(failed), message: said(failed[caughtBy[0]] ?? '') };
    });
    rows.set(group, rowsOfGroup);
  }
  for (const [group, mutants] of Object.entries(onServers)) {
    rows.set(
      group,
      mutants.map(({ bug, seenIn, caughtBy }) => ({ bug, seenIn, caughtBy, foundBy: caughtBy, message: undefined })),
    );
  }
  return rows;
}

/** The first line of a message, without what differs from run to run. */
const said = (message: string): string =>
  message
    .split('\n')[0]!
    .replaceAll(/LK-\d{4}-[0-9a-f]{32}-\d+/g, 'key')
    .replaceAll(/[0-9a-f]{32}/g, '…')
    .replaceAll(/-?\d[\d.,]*/g, 'n');

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*');

/** The page `docs/mutants.md`. */
export function renderPage(findings: Findings): string {
  const rows = rowsOf(findings);
  const all = [...rows.values()].flat();
  const must = cases.filter(({ level }) => level === 'MUST');
  const sections = [...rows].flatMap(([group, rowsOfGroup]) => [
    `## ${group}`,
    '',
    '| bug | seen in | found by | which says |',
    '| --- | --- | --- | --- |',
    ...rowsOfGroup.map(rowText),
    '',
  ]);
  const findersOf = (id: string) => all.filter(({ foundBy }) => foundBy.includes(id));
  return [
    '# Mutants: how we know that the suite finds bugs',
    '',
    `Each of these ${all.length} locks has one bug. Most of the bugs come from published libraries and tutorials (\`H…\` is a number in the`,
    '[list of known bugs](hazards.md)). The [conformance suite](../packages/conformance/README.md) rejects every mutant, and each of its',
    `${must.length} MUST cases finds at least one. ${findings.rightInAll} correct adapters pass: those from which the mutants are made, and the memory adapter`,
    'with every combination of capabilities that it can have.',
    '',
    '`pnpm mutants` generates this page, and a test fails when the page is out of date. The cases in **bold** are there for the bug. Numbers in',
    'messages are shown as “n”. Mutants on a server are run with the bold cases only.',
    '',
    ...sections,
    '## Which mutants each case finds',
    '',
    '| case | level | rule | finds |',
    '| --- | --- | --- | --- |',
    ...cases.map(({ id, level, title }) => `| ${id} | ${level} | ${cell(title)} | ${findersOf(id).length} |`),
    '',
  ].join('\n');
}

function rowText({ bug, seenIn, caughtBy, foundBy, message }: Row): string {
  const others = foundBy.filter((id) => !caughtBy.includes(id));
  const rest = others.length > 6 ? [...others.slice(0, 6), `and ${others.length - 6} more`] : others;
  const found = [...caughtBy.map((id) => `**${id}**`), ...rest].join(', ');
  return `| ${cell(bug)} | ${cell(seenIn)} | ${found} | ${message === undefined ? '' : cell(message)} |`;
}

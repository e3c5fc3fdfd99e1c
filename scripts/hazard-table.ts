import { readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { cases } from '../packages/conformance/src/cases/index.ts';
import { hazards } from '../packages/conformance/src/hazards.ts';
import { filesUnder, packagesIn, root } from '../test/workspace.ts';
import { notCovered } from './hazard-reasons.ts';

export const tableFile: string = join(root, 'docs', 'hazards.md');

/** A test whose title names hazards. */
interface NamedTest {
  readonly title: string;
  readonly file: string;
  readonly numbers: readonly number[];
}

/** What covers a hazard. */
export interface Cover {
  readonly number: number;
  readonly caseIds: readonly string[];
  readonly tests: readonly NamedTest[];
}

const list = String.raw`H\d+(?:(?:, | to | and )H\d+)*`;
/** `H12, H13: …`, `…, and H64 to H76 together: …`, `… (H111)`. */
const naming = [new RegExp(`(?<=^|, and )${list}[^:]*:`), new RegExp(String.raw`\(${list}\)`, 'g')];

/** The hazards that a title begins with, names after a comma, or names in brackets. */
function numbersIn(title: string): number[] {
  const named = naming.flatMap((pattern) => title.match(pattern) ?? []).join(' ');
  return [...named.matchAll(/H(\d+)(?: to H(\d+))?/g)].flatMap(([, first, last = first]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i),
  );
}

/** The titles in a file of tests that name hazards; what is named in comments, or as the bug of a mutant, covers nothing. */
function namedTests(file: string): NamedTest[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !/^\s*(\/\/|\*|\/\*|bug:)/.test(line));
  return lines.flatMap((line) =>
    [...line.matchAll(/(['"`])((?:\\.|(?!\1).)*)\1/g)].flatMap(([, , literal]) => {
      const title = literal!.replaceAll(/\\(.)/g, '$1');
      const numbers = numbersIn(title);
      return numbers.length > 0 ? [{ title, file: relative(root, file), numbers }] : [];
    }),
  );
}

/** For every hazard of the catalogue the cases and the tests that name it. */
export function coverage(): Cover[] {
  const folders = [...packagesIn('packages'), ...packagesIn('examples')].map(({ folder }) => join(folder, 'test'));
  const tests = [...folders, join(root, 'test')]
    .flatMap((folder) => filesUnder(folder, '.ts').sort())
    // A table of the titles of other tests.
    .filter((file) => !file.endsWith('queue-faults.ts'))
    .flatMap(namedTests);
  return hazards.map(({ number }) => ({
    number,
    caseIds: cases.filter((testCase) => testCase.hazards.includes(number)).map(({ id }) => id),
    tests: tests.filter(({ numbers }) => numbers.includes(number)),
  }));
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*');
const linked = ({ title, file }: NamedTest): string => {
  const [, folder] = file.split('/');
  const name = file.startsWith('test/') ? 'root' : folder;
  return `${cell(title)} ([${name}, ${basename(file, '.ts').replace('.test', '')}](../${file}))`;
};

/** The page `docs/hazards.md`. */
export function renderTable(covers: readonly Cover[] = coverage()): string {
  const covered = covers.filter(({ caseIds, tests }) => caseIds.length + tests.length > 0).length;
  const groups = [...new Set(hazards.map(({ group }) => group))];
  const rowOf = ({ number, caseIds, tests }: Cover): string => {
    const { kind, name } = hazards[number - 1]!;
    const named = [...(caseIds.length > 0 ? [caseIds.join(', ')] : []), ...tests.map(linked)];
    const by = named.length > 0 ? named.join('<br>') : `not covered: ${cell(notCovered[number] ?? '')}`;
    return `| H${number} | ${cell(name)} | ${kind} | ${by} |`;
  };
  const sections = groups.flatMap((group) => [
    `## ${group}`,
    '',
    '| | bug | kind | covered by |',
    '| --- | --- | --- | --- |',
    ...covers.filter(({ number }) => hazards[number - 1]!.group === group).map(rowOf),
    '',
  ]);
  return [
    '# Known lock bugs, and the tests for each',
    '',
    `This page lists ${hazards.length} bugs that published lock libraries had or have. ${covered} of them are covered here, by cases of the`,
    '[conformance suite](../packages/conformance/README.md) (`LK-…`, run on every adapter) or by tests that name them. A *safety* bug lets',
    'two holders in, a *liveness* bug leaves something stuck or behind, and a *usage* bug misleads the caller.',
    '',
    '`pnpm hazards` generates this page from the IDs of the cases and the titles of the tests.',
    '',
    ...sections,
  ].join('\n');
}

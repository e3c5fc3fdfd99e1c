import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { notCovered } from '../scripts/hazard-reasons.ts';
import { coverage, renderTable, tableFile } from '../scripts/hazard-table.ts';

const covers = coverage();

describe('docs/hazards.md', () => {
  it('is up to date: `pnpm hazards` writes it anew', () => {
    const lines = renderTable(covers).split('\n');
    const written = readFileSync(tableFile, 'utf8').split('\n');
    const changed = [
      ...lines.filter((line) => !written.includes(line)),
      ...written.filter((line) => !lines.includes(line)),
    ];
    expect(changed, 'run `pnpm hazards`').toEqual([]);
    expect(written).toEqual(lines);
  });

  it('has every one of 130 hazards, with what covers it or the reason why nothing does', () => {
    expect(covers.length).toBeGreaterThanOrEqual(130);
    const bare = covers.filter(({ caseIds, tests }) => caseIds.length + tests.length === 0).map(({ number }) => number);
    expect(bare.filter((number) => notCovered[number] === undefined)).toEqual([]);
    const reasons = Object.keys(notCovered).map(Number);
    expect(reasons.filter((number) => !bare.includes(number))).toEqual([]);
  });

  it('finds the hazards in the titles of tests, also in lists, ranges and brackets, and not in comments or mutants', () => {
    const of = (number: number) => covers[number - 1]!.tests.map(({ title }) => title);
    expect(of(64)).toContainEqual(expect.stringMatching(/^H64 to H76 together:/));
    expect(of(70)).toContainEqual(expect.stringMatching(/^H64 to H76 together:/));
    expect(of(15)).toContainEqual(expect.stringMatching(/^H11, H15, H30:/));
    expect(of(42)).toContainEqual(expect.stringMatching(/^an abort rejects .*, and H42: /));
    expect(of(113)).toContainEqual(expect.stringMatching(/\(H113\)$/));
    expect(of(1)).not.toContainEqual(expect.stringContaining('the release deletes whatever is there'));
  });
});

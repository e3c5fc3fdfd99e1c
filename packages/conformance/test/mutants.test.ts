import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { cases } from '../src/index.ts';
import { mutants } from './mutants/all.ts';
import { findInChild } from './mutants/find-in-child.ts';
import type { Findings } from './mutants/findings.ts';
import { renderPage, rowsOf } from './mutants/page.ts';

const page = new URL('../../../docs/mutants.md', import.meta.url);
let findings: Findings;

beforeAll(async () => {
  findings = await findInChild(process.env.HOLDFAST_TEST_ALL === '1');
}, 900_000);

describe('what is right passes', () => {
  it('the adapters that mutants are made from, and the reference with every combination of capabilities', () => {
    expect(findings.rightInAll).toBeGreaterThan(100);
    expect(findings.right.length).toBeGreaterThan(15);
    for (const { name, ok, failed, unhandled, passed } of findings.right) {
      expect({ ok, failed, unhandled }, name).toEqual({ ok: true, failed: {}, unhandled: [] });
      expect(passed, name).toBeGreaterThanOrEqual(80);
    }
  });
});

describe('every mutant is found', () => {
  it.each(mutants.map((mutant, i) => ({ ...mutant, i })))('$bug', ({ i, caughtBy, message }) => {
    const { ok, failed } = findings.mutants[i]!;
    // What only a SHOULD finds is reported, but does not fail the run.
    const isMust = cases.some(({ id, level }) => level === 'MUST' && caughtBy.includes(id));
    expect(ok).toBe(!isMust);
    expect(Object.keys(failed)).toEqual(expect.arrayContaining([...caughtBy]));
    expect(failed[caughtBy[0]]).toMatch(message);
  });

  it('and they are at least 40, no two of them the same', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(40);
    expect(new Set(mutants.map(({ bug }) => bug)).size).toBe(mutants.length);
  });
});

describe('every case is of use', () => {
  it('each MUST finds a mutant', () => {
    const caught = new Set([...rowsOf(findings).values()].flat().flatMap(({ foundBy }) => foundBy));
    const idle = cases.filter(({ id, level }) => level === 'MUST' && !caught.has(id)).map(({ id }) => id);
    expect(idle).toEqual([]);
  });
});

/** What of a line is the same in every run: which further cases find a mutant, and in which words, depends on chance. */
function stable(line: string): string {
  const cells = line.split(' | ');
  if (/^\| LK-\d{4} \|/.test(line)) return cells.slice(0, 3).join(' | ');
  const decisive = line.match(/\*\*LK-\d{4}\*\*/g);
  return decisive === null ? line : [cells[0], ...decisive].join(' | ');
}

describe('docs/mutants.md', () => {
  it('has every mutant with the cases that must find it: `pnpm mutants` writes it anew', () => {
    const lines = renderPage(findings).split('\n').map(stable);
    const written = readFileSync(page, 'utf8').split('\n').map(stable);
    const changed = [
      ...lines.filter((line) => !written.includes(line)).map((line) => `+ ${line}`),
      ...written.filter((line) => !lines.includes(line)).map((line) => `- ${line}`),
    ];
    expect(changed, 'run `pnpm mutants`').toEqual([]);
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cases } from '../src/index.ts';

const text = readFileSync(new URL('../../../CONTRACT.md', import.meta.url), 'utf8');
const [sentences = '', exceptions = ''] = text.split('\n## Without a case\n');
const numbered = [...sentences.matchAll(/^- <a id="c-(\d+)"><\/a>\*\*C-(\d+)\*\* (.+)$/gm)];
const levels = new Map(
  numbered.map(([, , number, sentence]) => [`C-${number}`, /\bSHOULD\b/.test(sentence!) ? 'SHOULD' : 'MUST']),
);
const withoutCase = [...exceptions.matchAll(/^\| \[(C-\d+)\]\(#(c-\d+)\) \| (.+) \|$/gm)];

describe('CONTRACT.md', () => {
  it('has an anchor and a number of its own for every sentence', () => {
    expect(numbered.length).toBe(sentences.match(/^- <a /gm)?.length);
    expect(levels.size).toBe(numbered.length);
    for (const [, anchor, number] of numbered) expect(anchor).toBe(number);
  });

  it('has sentences that are never renumbered', () => {
    expect(numbered.map(([, , number, sentence]) => `C-${number} ${sentence}`)).toMatchSnapshot();
  });

  it('has every rule that a case names, at the level of the case', () => {
    for (const { id, level, rule } of cases) expect(levels.get(rule), `${id} ${rule}`).toBe(level);
  });

  it('has a case for every sentence, or says why there is none', () => {
    const checked = new Set<string>(cases.map(({ rule }) => rule));
    const excepted = withoutCase.map(([, rule]) => rule!);
    expect([...levels.keys()].filter((rule) => !checked.has(rule))).toEqual(excepted);
    for (const [, rule, anchor] of withoutCase) expect(anchor).toBe(rule!.toLowerCase());
    expect(exceptions.match(/^\| \[/gm)?.length).toBe(withoutCase.length);
  });

  it('names only cases that exist', () => {
    const ids = new Set<string>(cases.map(({ id }) => id));
    for (const [id] of text.matchAll(/LK-\d{4}/g)) expect(ids).toContain(id);
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './workspace.ts';

/** A part of a README, from one heading to the next: all of it that is no language. */
interface Section {
  readonly level: number;
  readonly blocks: readonly string[];
  readonly links: readonly string[];
  readonly code: readonly string[];
  /** The number of columns of each row of its tables. */
  readonly rows: readonly number[];
  readonly items: number;
}

function sectionsOf(file: string): Section[] {
  const blocks: string[] = [];
  // A block becomes one line, so that its comments are not taken for headings.
  const text = readFileSync(join(root, file), 'utf8').replaceAll(/^```[\s\S]*?^```$/gm, (block) => {
    blocks.push(withoutComments(block));
    return `\n@block ${blocks.length - 1}\n`;
  });
  return text.split(/^(?=#+ )/m).map((section) => {
    const all = (pattern: RegExp): string[] => [...section.matchAll(pattern)].map(([, found]) => found!);
    const rows = section.split('\n').filter((line) => line.startsWith('|'));
    return {
      level: /^#*/.exec(section)![0].length,
      blocks: all(/^@block (\d+)$/gm).map((i) => blocks[Number(i)]!),
      links: all(/\]\(([^)]+)\)/g).sort(),
      code: all(/`([^`]+)`/g).sort(),
      rows: rows.map((row) => row.split('|').length),
      items: section.split('\n').filter((line) => /^- /.test(line)).length,
    };
  });
}

/** Comments are translated, code is not. */
function withoutComments(block: string): string {
  const lines = block.split('\n').map((line) => line.replace(/(^|\s)(\/\/|#) .*$/, '').trimEnd());
  return lines.filter((line) => line !== '').join('\n');
}

it('the options in Chinese are those of every lock in English', () => {
  const tableOf = (file: string): string =>
    readFileSync(join(root, file), 'utf8')
      .split('\n\n')
      .find((part) => part.includes('\n| `autoRenew`'))!;
  const english = tableOf('packages/holdfast/README.md').split('| `fencing`')[0]!; // what follows is of the adapters
  const names = [...english.matchAll(/^\| `\w+` +\| `(\w+)/gm)].map(([, name]) => name!);
  const chinese = [...tableOf('docs/zh-CN/using.md').matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!);
  expect(names).toContain('graceMs');
  expect(chinese).toEqual(expect.arrayContaining(names));
});

describe.each(['README', 'docs/conformance/README'])('%s in Chinese has what that in English has', (page) => {
  const [english, chinese] = [sectionsOf(`${page}.md`), sectionsOf(`${page}.zh-CN.md`)];

  it('has the same headings', () => {
    expect(chinese.map(({ level }) => level)).toEqual(english.map(({ level }) => level));
  });

  it.each(['blocks', 'links', 'code', 'rows', 'items'] as const)('has the same %s under each of them', (part) => {
    expect(chinese.map((section) => section[part])).toEqual(english.map((section) => section[part]));
  });
});

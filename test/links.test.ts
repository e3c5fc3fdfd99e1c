import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesUnder, root } from './workspace.ts';

const documents = filesUnder(root, '.md');

/** A document without its code, in which brackets mean something else. */
const prose = (file: string): string =>
  readFileSync(file, 'utf8')
    .replaceAll(/^( *)```[\s\S]*?^\1```/gm, '')
    .replaceAll(/`[^`\n]+`/g, (code) => code.replaceAll(/[[\]()]/g, ' '));

/** The anchors that GitHub makes of headings, and those that are written. */
function anchorsOf(file: string): Set<string> {
  const text = readFileSync(file, 'utf8').replaceAll(/^( *)```[\s\S]*?^\1```/gm, '');
  const written = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, name]) => name!);
  const headings = [...text.matchAll(/^#+ +(.+)$/gm)].map(([, heading]) =>
    heading!
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
  const seen = new Map<string, number>();
  const numbered = headings.map((slug) => {
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
  return new Set([...written, ...numbered]);
}

function brokenLinksOf(file: string): string[] {
  const links = [...prose(file).matchAll(/\]\(([^()\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path, anchor] = decodeURI(link).split('#');
    const target = path === '' ? file : join(dirname(file), path!);
    if (!existsSync(target)) return true;
    return anchor !== undefined && (statSync(target).isDirectory() || !anchorsOf(target).has(anchor));
  });
}

describe('links between documents lead somewhere', () => {
  it.each(documents.map((file) => relative(root, file)))('%s', (file) => {
    expect(brokenLinksOf(join(root, file))).toEqual([]);
  });
});

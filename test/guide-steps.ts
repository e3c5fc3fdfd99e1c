import { readFileSync } from 'node:fs';

/** One block of the guide that does something, in the order of the page. */
export type Step = { readonly line: number; readonly heading: string } & (
  | { readonly kind: 'file'; readonly path: string; readonly text: string }
  | { readonly kind: 'change'; readonly path: string; readonly before: string; readonly after: string }
  | { readonly kind: 'command'; readonly command: string; readonly fails: boolean }
  /** Lines that the output of the command before it has, each somewhere. */
  | { readonly kind: 'output'; readonly lines: readonly string[] }
  /** A part of the JSON file that the command before it wrote last. */
  | { readonly kind: 'json'; readonly part: object }
);

/** Reads the blocks of a page: files, changes of them, commands, and what those print. */
export function readSteps(document: string): Step[] {
  const text = readFileSync(document, 'utf8');
  return [...text.matchAll(/^```(\w+)([^\n]*)\n([\s\S]*?)^```/gm)].map((match) => {
    const [, language, marks = '', body = ''] = match;
    const above = text.slice(0, match.index);
    const heading = [...above.matchAll(/^#+ (.*)$/gm)].at(-1)?.[1] ?? '';
    const at = { line: above.split('\n').length, heading };
    const path = /\bfile=(\S+)/.exec(marks)?.[1];
    if (path !== undefined && language === 'diff') return { ...at, kind: 'change', path, ...readDiff(body) };
    if (path !== undefined) return { ...at, kind: 'file', path, text: body };
    if (language === 'sh') return { ...at, kind: 'command', command: body.trim(), fails: /\bfails\b/.test(marks) };
    if (language === 'json') return { ...at, kind: 'json', part: JSON.parse(body) };
    if (language === 'text') return { ...at, kind: 'output', lines: body.trim().split('\n') };
    throw new Error(`${document}:${at.line}: a block of ${language} that is neither file, change, command nor output`);
  });
}

/** The lines of a diff without `+`, and those without `-`. */
function readDiff(body: string): { before: string; after: string } {
  const lines = body.split('\n').slice(0, -1);
  const side = (dropped: string): string =>
    lines
      .filter((line) => !line.startsWith(dropped))
      .map((line) => line.slice(1))
      .join('\n');
  return { before: side('+'), after: side('-') };
}

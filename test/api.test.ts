import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeReference, referenceFolder } from '../scripts/api-reference.ts';
import { filesUnder, root } from './workspace.ts';

const fresh = join(root, '.cache', 'api');
const pages = (folder: string): Record<string, string> =>
  Object.fromEntries(filesUnder(folder, '.md').map((file) => [relative(folder, file), readFileSync(file, 'utf8')]));

describe('docs/api', () => {
  let wrong: string[] = [];

  beforeAll(async () => {
    wrong = await makeReference(fresh);
  }, 240_000);

  it('every export of every package has a docstring, and every link leads somewhere', () => {
    expect(wrong).toEqual([]);
  });

  it('is up to date: `pnpm api` writes it anew', () => {
    const [made, written] = [pages(fresh), pages(referenceFolder)];
    expect(Object.keys(written)).toEqual(Object.keys(made));
    for (const [page, text] of Object.entries(made)) {
      if (written[page] !== text) expect.fail(`docs/api/${page} is old: run \`pnpm api\``);
    }
  });
});

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Block, blocksOf, checkTypes, runBlock, writeBlocks } from './readme-blocks.ts';
import { serversFor } from './readme-servers.ts';
import { root } from './workspace.ts';

const page = join(root, 'docs', 'migration.md');
const folder = join(root, '.cache', 'migration');
const text = readFileSync(page, 'utf8');
const blocks = blocksOf(page, folder);

/** The sections of the libraries, each with a block before and a block after. */
const sections = text
  .split(/^## From /m)
  .slice(1)
  .map((section, i) => ({ library: section.split('\n')[0]!, section, blocks: blocks.slice(2 * i, 2 * i + 2) }));

/** What the tables “What changes” of the page speak of. */
function changes(section: string): string[] {
  const rows = section.split('### What changes\n')[1]!.split('\n');
  const first = rows.filter((row) => row.startsWith('| ')).map((row) => row.split(' | ')[0]!.slice(2));
  return first.filter((cell) => cell !== '' && cell !== '---');
}

describe('the page of migration', () => {
  let servers: Awaited<ReturnType<typeof serversFor>>;

  beforeAll(async () => {
    servers = await serversFor(blocks.map(({ code }) => code));
    writeBlocks(folder, blocks, servers.rewrite);
    // redlock names no types in its exports, so TypeScript looks for them here. They are those of its ES module.
    const types = join(folder, 'node_modules/@types/redlock');
    mkdirSync(types, { recursive: true });
    writeFileSync(join(types, 'package.json'), '{ "type": "module", "types": "index.d.ts" }\n');
    copyFileSync(join(folder, 'node_modules/redlock/dist/index.d.ts'), join(types, 'index.d.ts'));
  });
  afterAll(() => servers?.stop());

  it('has code for five libraries', () => {
    expect(sections.map(({ library }) => library)).toEqual([
      'redlock',
      'redis-semaphore',
      '@verrou/core',
      'async-mutex',
      'proper-lockfile',
    ]);
    expect(blocks).toHaveLength(10);
    expect(blocks.every(({ runs }) => runs)).toBe(true);
  });

  it('has right types', { timeout: 120_000 }, () => checkTypes(folder));

  it.each(sections)('$library: before and after print the same', { timeout: 120_000 }, async ({ blocks: pair }) => {
    const [before, after] = pair as [Block, Block];
    // Examples do not tidy up after themselves.
    using temporary = temporaryFolder();
    const printed = await runBlock(before, { TMPDIR: temporary.path });
    expect(printed).not.toBe('');
    expect(await runBlock(after, { TMPDIR: temporary.path })).toBe(printed);
  });

  it.each(sections)('$library: each line of what changes is a test', ({ library, section }) => {
    const tests = join(root, 'packages/compare/test/migration');
    const file = readdirSync(tests).find((name) =>
      readFileSync(join(tests, name), 'utf8').includes(`describe('from ${library}'`),
    );
    const titles = readFileSync(join(tests, file ?? `of ${library}`), 'utf8').matchAll(/^ {2}it\('(.+?)'/gm);
    expect(changes(section).sort()).toEqual([...titles].map(([, title]) => title).sort());
  });
});

function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-migration-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

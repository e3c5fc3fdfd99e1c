import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkTypes, readBlocks, runBlock, writeBlocks } from './readme-blocks.ts';
import { serversFor } from './readme-servers.ts';
import { root } from './workspace.ts';

/** Why a block is checked for its types only. Each entry is the document and the first line of the block. */
const notRun: Readonly<Record<string, string>> = {};

const folder = join(root, '.cache', 'readme');
const blocks = readBlocks(folder, ['docs/migration.md']);
const runnable = blocks.filter((block) => block.runs);

describe('code in the documents', () => {
  let servers: Awaited<ReturnType<typeof serversFor>>;
  let redisUrl = '';

  beforeAll(async () => {
    servers = await serversFor(['127.0.0.1:6379', ...runnable.map((block) => block.code)]);
    redisUrl = servers.rewrite('redis://127.0.0.1:6379');
    writeBlocks(folder, blocks, servers.rewrite);
  });
  afterAll(() => servers?.stop());

  it('is there', () => {
    expect(blocks.length).toBeGreaterThan(0);
  });

  it('has a reason wherever it is not run', () => {
    const marked = blocks
      .filter((block) => !block.runs)
      .map(({ where, code }) => `${where.replace(/:\d+$/, '')} ${code.split('\n')[0]}`);
    expect(marked.sort()).toEqual(Object.keys(notRun).sort());
  });

  it('has right types', { timeout: 120_000 }, () => checkTypes(folder));

  it.concurrent.each(runnable)('runs: $where', { timeout: 120_000 }, async (block) => {
    await runBlock(block, { REDIS_URL: redisUrl, LOCK_URL: redisUrl });
  });
});

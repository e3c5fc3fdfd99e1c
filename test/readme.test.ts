import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkTypes, readBlocks, runBlock, writeBlock, writeBlocks } from './readme-blocks.ts';
import { alone, ownRedis, type Servers, sharedServers } from './readme-servers.ts';
import { root } from './workspace.ts';

/** Why a block is checked for its types only. Each entry is the document and the first line of the block. */
const notRun: Readonly<Record<string, string>> = {};

const folder = join(root, '.cache', 'readme');
const blocks = readBlocks(folder, ['docs/migration.md']);
const runnable = blocks.filter((block) => block.runs);

describe('code in the documents', () => {
  let servers: Servers;

  beforeAll(async () => {
    servers = await sharedServers(runnable.map((block) => block.code));
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

  it('in the tutorial is JavaScript, as it is saved in .mjs files', async () => {
    const tutorial = blocks.filter(({ where }) => where.startsWith('docs/tutorial.md'));
    expect(tutorial.length).toBeGreaterThan(3);
    for (const { where, code } of tutorial) {
      const file = join(folder, `${where.replaceAll(/\W/g, '-')}.mjs`);
      writeFileSync(file, code);
      await expect(promisify(execFile)(process.execPath, ['--check', file]), where).resolves.toBeDefined();
    }
  });

  it('has right types', { timeout: 120_000 }, () => checkTypes(folder));

  it.concurrent.each(runnable)('runs: $where', { timeout: 120_000 }, async (block) => {
    const redisUrl = 'redis://127.0.0.1:6379';
    // A Redis of its own: the documents use the same keys over and over.
    const redis = await ownRedis(`${redisUrl} ${block.code}`);
    try {
      writeBlock(block, (code) => redis.rewrite(servers.rewrite(code)));
      const url = redis.rewrite(redisUrl);
      await alone(block.code, () => runBlock(block, { REDIS_URL: url, LOCK_URL: url }));
    } finally {
      await redis.stop();
    }
  });
});

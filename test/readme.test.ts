import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folder, readBlocks, writeBlocks } from './readme-blocks.ts';
import { serversFor } from './readme-servers.ts';
import { root } from './workspace.ts';

/** Why a block is checked for its types only. Each entry is the document and the first line of the block. */
const notRun: Readonly<Record<string, string>> = {};

const execute = promisify(execFile);
const blocks = readBlocks();
const runnable = blocks.filter((block) => block.runs);

/** Runs a Node script; a failure reads as what it printed. */
async function node(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  try {
    const { stdout } = await execute(process.execPath, args, { cwd, env, timeout: 60_000 });
    return stdout;
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}

describe('code in the documents', () => {
  let servers: Awaited<ReturnType<typeof serversFor>>;
  let redisUrl = '';

  beforeAll(async () => {
    servers = await serversFor(['127.0.0.1:6379', ...runnable.map((block) => block.code)]);
    redisUrl = servers.rewrite('redis://127.0.0.1:6379');
    writeBlocks(blocks, servers.rewrite);
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

  it('has right types', { timeout: 120_000 }, async () => {
    await node([join(root, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'], folder);
  });

  it.concurrent.each(runnable)('runs: $where', { timeout: 120_000 }, async ({ file }) => {
    await node(['--import', import.meta.resolve('tsx'), file], folder, {
      ...process.env,
      REDIS_URL: redisUrl,
      LOCK_URL: redisUrl,
    });
  });
});

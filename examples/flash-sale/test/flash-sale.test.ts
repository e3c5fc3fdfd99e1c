import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startRedis } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { isRight } from '../src/output.ts';
import { openStock } from '../src/stock.ts';

const folder = fileURLToPath(new URL('..', import.meta.url));

/** Starts the command in a process group of its own, with its output in pipes. */
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', ...args], {
    cwd: folder,
    detached: true,
    // Of the two the test alone says whether there are colours.
    env: { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, ...env },
  });
  const output = { text: '', errors: '' };
  child.stdout.on('data', (chunk) => {
    output.text += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.errors += chunk;
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output, ended };
}

/** The processes that a process started, and those that these did. */
function processesBelow(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...processesBelow(child)]);
}

function expectSale(text: string): void {
  expect(text).toMatch(/without a lock {2}✗ sold [\d,]+ of 100: oversold by [\d,]+/);
  expect(text).toMatch(/with the lock {3}✓ sold exactly 100 of 100/);
  expect(text).toMatch(/p50 [\d.]+ ms, p99 [\d.]+ ms; [\d,]+ waits/);
  expect(text).toMatch(/the stock checked 100 tokens and refused 0; a late write with the first token was refused/);
}

describe('the flash sale', () => {
  it.each([{}, { FORCE_COLOR: '1', TERM: 'dumb' }])('in one process on memory, plain in a pipe (%j)', async (env) => {
    const { output, ended } = start([], env);
    expect(await ended).toBe(0);
    expectSale(output.text);
    expect(output.text).toContain('npm start -- --all');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
    expect(output.text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
    expect(output.errors).toBe('');
  });

  it.each(['redis+ioredis', 'redis+node-redis'])('from 4 processes on %s', { timeout: 60_000 }, async (scheme) => {
    await using server = await startRedis();
    const { output, ended } = start(['--url', `${scheme}://${server.host}:${server.port}`]);
    expect(await ended).toBe(0);
    expect(output.text).toContain('4 processes');
    expectSale(output.text);
    expect(output.errors).toBe('');
    expect(await server.command('KEYS', 'lock:*')).toEqual([]);
  });

  it('a server that is down, and a wrong URL: one clear line within 10 s, exit code 1, no password', async () => {
    const down = start(['--url', 'redis://user:hUnter2@127.0.0.1:1']);
    const wrong = start(['--url', 'redi://user:hUnter2@127.0.0.1']);
    // It asks no server: when it ends, a machine as loaded as this one has started Node and compiled the example.
    expect(await wrong.ended).toBe(1);
    const begin = performance.now();
    expect(await down.ended).toBe(1);
    expect(performance.now() - begin).toBeLessThan(10_000);
    const text = (output: typeof down.output) => output.text + output.errors;
    expect(text(wrong.output)).toMatch(/^✗ The lock URL has an unknown scheme "redi:"[^\n]*\n$/);
    expect(text(down.output)).toMatch(
      /^✗ The lock backend redis:\/\/127\.0\.0\.1:1 \(ioredis\) does not answer[^\n]*\n$/,
    );
    expect(text(wrong.output) + text(down.output)).not.toContain('hUnter2');
  });

  it('a wrong argument shows the usage', async () => {
    const { output, ended } = start(['--ulr', 'memory:']);
    expect(await ended).toBe(1);
    expect(output.errors).toMatch(/--ulr[\s\S]*npm start -- --url/);
  });

  it('Ctrl-C ends it, its workers and its servers', { timeout: 60_000 }, async () => {
    const { child, output, ended } = start(['--all']);
    await expect.poll(() => output.text, { timeout: 30_000 }).toContain('Flash sale on Redis');
    await expect.poll(() => processesBelow(child.pid!).length, { timeout: 30_000 }).toBeGreaterThan(4);
    const children = processesBelow(child.pid!);
    // The terminal signals the whole group, and npm passes the signal on once more.
    process.kill(-child.pid!, 'SIGINT');
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    const left = () => children.filter((pid) => existsSync(`/proc/${pid}`));
    await expect.poll(left, { timeout: 10_000 }).toEqual([]);
    expect(output.errors).toBe('');
  });
});

describe('the stock', () => {
  it('refuses a token lower than one it has seen, and takes the same one again', async () => {
    const stock = openStock(3);
    expect(await stock.write(2, 7n)).toBe('sold');
    expect(await stock.write(1, 6n)).toBe('refused');
    expect(await stock.write(1, 7n)).toBe('sold');
    expect(await stock.write(0, undefined)).toBe('sold');
    expect(await stock.write(0, 6n)).toBe('refused');
    expect(stock).toMatchObject({ sold: 3, refused: 2 });
  });

  it('a sale is right only if all was sold once and every stale write was refused', () => {
    const right = { sold: 100, refused: 0, seconds: 1, waits: 9, p50Ms: 1, p99Ms: 2, lateWrite: 'refused' } as const;
    expect(isRight(right)).toBe(true);
    expect(isRight({ ...right, lateWrite: undefined })).toBe(true);
    expect(isRight({ ...right, sold: 101 })).toBe(false);
    expect(isRight({ ...right, sold: 99 })).toBe(false);
    expect(isRight({ ...right, refused: 1 })).toBe(false);
    expect(isRight({ ...right, lateWrite: 'sold' })).toBe(false);
  });
});

import { spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisServer, startEtcd, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocks } from '../../src/index.ts';
import { holdfast, holdfastWords, start } from './support.ts';

let server: RedisServer;
let env: { LOCK_URL: string };

beforeAll(async () => {
  server = await startRedis();
  env = { LOCK_URL: server.url };
});
afterAll(() => server?.stop());

describe('inspect', { timeout: 90_000 }, () => {
  it('a held lock: 0, and who holds it', async () => {
    await using locks = await openLocks(server.url);
    await using lock = await locks.acquire('held');
    const info = (await locks.inspect('held'))!;
    const { code, stdout } = await holdfast(['inspect', 'held'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^held is held\n/);
    expect(stdout).toContain(
      `  mode           exclusive\n  holder         ${hostname()}:${process.pid}\n  since          20`,
    );
    expect(stdout).toContain(
      `  owner          ${info.owner}\n  fencing token  ${lock.fencingToken}\n  lease          `,
    );
    const json = await holdfast(['inspect', 'held', '--json'], env);
    expect(JSON.parse(json.stdout)).toEqual({
      key: 'held',
      held: true,
      holder: info.holder?.name,
      askedAt: info.holder?.askedAt?.toISOString(),
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      owner: info.owner,
      fencingToken: String(lock.fencingToken),
      remainingMs: expect.any(Number),
      mode: 'exclusive',
      holders: 1,
      waiters: 0,
    });
  });

  it('a free one: 1', async () => {
    expect(await holdfast(['inspect', 'free'], env)).toEqual({ code: 1, stdout: 'free is free\n', stderr: '' });
    const { code, stdout } = await holdfast(['inspect', 'free', '--json'], env);
    expect([code, JSON.parse(stdout)]).toEqual([1, { key: 'free', held: false }]);
  });

  it('the number of those who wait, where the backend keeps the queue', async () => {
    await using etcd = await startEtcd();
    await using locks = await openLocks(etcd.url);
    await using other = await openLocks(etcd.url);
    await using _ = await locks.acquire('queued');
    const enough = new AbortController();
    const waiting = other.acquire('queued', { signal: enough.signal }).catch(() => {});
    const watching = start(['watch', 'queued', '--json', '--interval', '50ms', '--url', etcd.url]);
    await watching.printed('"waiters":1');
    const { stdout } = await holdfast(['inspect', 'queued', '--url', etcd.url]);
    expect(stdout).toMatch(/^ {2}waiting {8}1$/m);
    enough.abort();
    await waiting;
    await watching.printed('"waiters":0');
    watching.child.kill('SIGINT');
    expect((await watching.ended).code).toBe(130);
  });

  it('a key cannot move the cursor', async () => {
    const { stdout } = await holdfast(['inspect', '\u001b[2J\u202egone'], env);
    expect(stdout).toBe('\\x1b[2J\\u{202e}gone is free\n');
  });

  it('data that is no lock is 65, and stays', async () => {
    await server.command('LPUSH', 'lock:list', 'x');
    expect(await holdfast(['inspect', 'list'], env)).toMatchObject({ code: 65, stdout: '' });
    expect(await server.command('TYPE', 'lock:list')).toBe('list');
  });
});

describe('list', { timeout: 90_000 }, () => {
  it('has what is held and fits the pattern, by its key', async () => {
    const url = `${server.url}?prefix=listed:`;
    await using locks = await openLocks(url);
    await using b = await locks.acquire('b:2 *');
    await using a = await locks.acquire('a:1');
    await using _ = await locks.acquire('b:1');
    const { code, stdout } = await holdfast(['list', '--url', url]);
    expect(code).toBe(0);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/)[0])).toEqual(['key', 'a:1', 'b:1', 'b:2 *', '']);
    expect(stdout).toContain(String(a.fencingToken));
    expect(stdout).toMatch(/\na:1 +\S+:\d+ +[\d.]+ m?s +exclusive +/);
    const some = JSON.parse((await holdfast(['list', 'b:? *', '--json', '--url', url])).stdout);
    expect(some).toMatchObject([{ key: 'b:2 *', held: true, fencingToken: String(b.fencingToken) }]);
    const none = await holdfast(['list', 'c*', '--url', url]);
    expect(none).toEqual({ code: 0, stdout: '', stderr: 'No lock that matches is held.\n' });
  });
});

describe('watch', { timeout: 90_000 }, () => {
  it('prints a line for each change, and goes on when the server is away for a while', async () => {
    const watching = start(['watch', 'seen', '--interval', '20ms', '--url', `${server.url}?backendTimeout=1s`]);
    await watching.printed('seen is free\n');
    await using locks = await openLocks(server.url);
    const lock = await locks.acquire('seen', { ttlMs: 60_000 });
    await watching.printed('seen is held, mode exclusive, holder ');
    let told = '';
    watching.child.stderr!.on('data', (text) => {
      told += text;
    });
    server.freeze();
    await expect.poll(() => told, { timeout: 60_000 }).not.toBe('');
    server.thaw();
    await lock.release();
    await expect.poll(() => watching.stdout.endsWith('seen is free\n'), { timeout: 60_000 }).toBe(true);
    watching.child.kill('SIGTERM');
    expect((await watching.ended).code).toBe(143);
  });

  it('a signal ends it while the server is silent, however long it would wait for an answer', async () => {
    const watching = start(['watch', 'silent', '--interval', '20ms', '--url', `${server.url}?backendTimeout=5m`]);
    await watching.printed('silent is free\n');
    server.freeze();
    // By then it has asked again.
    await sleep(500);
    watching.child.kill('SIGTERM');
    const code = await Promise.race([watching.ended.then((ended) => ended.code), sleep(30_000)]);
    server.thaw();
    watching.child.kill('SIGKILL');
    expect(code).toBe(143);
  });
});

describe.concurrent('a backend that is not there', { timeout: 90_000 }, () => {
  it.each(['run', 'inspect', 'watch', 'release'])(
    '%s: 69 in bounded time, with one line that names it',
    async (command) => {
      const more = { run: ['--', 'true'], release: ['--force', '--yes'] }[command] ?? [];
      const startedAt = performance.now();
      const { code, stdout, stderr } = await holdfast([command, 'k', '--url', 'redis://127.0.0.1:1', ...more]);
      expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
      expect(stderr).toBe(
        'holdfast: The lock backend redis://127.0.0.1:1 (ioredis) does not answer: connect ECONNREFUSED 127.0.0.1:1. Check that it is running and that it can be reached from here.\n',
      );
      // 5 s and the start; the rest is for a loaded machine.
      expect(performance.now() - startedAt).toBeLessThan(30_000);
    },
  );

  it('setup: the same', async () => {
    const { code, stderr } = await holdfast(['setup', 'postgres://u:sEcret@127.0.0.1:1/shop']);
    expect({ code, stderr }).toEqual({
      code: 69,
      stderr: expect.stringMatching(/^holdfast: The database postgres:\/\/127.0.0.1:1 cannot be set up: .*\n$/),
    });
  });

  it('as JSON with --json', async () => {
    const { code, stderr } = await holdfast([
      'inspect',
      'k',
      '--json',
      '--url',
      'redis://127.0.0.1:1?backendTimeout=1s',
    ]);
    expect([code, JSON.parse(stderr)]).toEqual([
      69,
      { error: { code: 'LOCK_BACKEND', message: expect.stringContaining('127.0.0.1:1'), exitCode: 69 } },
    ]);
  });
});

describe('a password', { timeout: 120_000 }, () => {
  const password = 'tOp/sEcret%7';
  const encoded = encodeURIComponent(password);

  it('is never printed, whatever goes wrong', async () => {
    await using guarded = await startRedis({ password: 'right' });
    const [, address] = guarded.url.split('@');
    const urls = [
      `redis://user:${encoded}@127.0.0.1:1?backendTimeout=500ms`,
      `redis://:${encoded}@${address}`,
      `reddis://:${encoded}@${address}`,
      `redis://:${password}@${address}`,
      `redis://:${encoded}@${address}?tll=1s`,
      `:${encoded}@${address}`,
    ];
    const linesOf = (url: string) => [
      ['inspect', 'k', '--url', url],
      ['inspect', 'k', '--url', url, '--json'],
      ['doctor', url],
      ['doctor', url, '--json'],
    ];
    const groups = [
      ...urls.map(linesOf),
      [
        [`redis://:${encoded}@${address}`],
        ['run', 'k', '--url', `redis://:${encoded}@${address}`, '--on-lost', `redis://:${encoded}@${address}`],
      ],
    ];
    for (const lines of groups) {
      const ended = await Promise.all(lines.map((args) => holdfast(args)));
      for (const [i, { code, stdout, stderr }] of ended.entries()) {
        const line = lines[i]!.join(' ');
        expect(code, line).not.toBe(0);
        expect(stdout + stderr, line).not.toMatch(/tOp|sEcret/);
      }
    }
    const { stdout, stderr } = await holdfast(['run', '--help'], { LOCK_URL: `redis://:${encoded}@${address}` });
    expect(stdout + stderr).not.toMatch(/tOp|sEcret/);
  });
});

describe('the whole', { timeout: 90_000 }, () => {
  it('every command has help with examples', async () => {
    const { stdout } = await holdfast(['--help']);
    const names = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!).filter((name) => name !== 'help');
    expect(names).toEqual(
      expect.arrayContaining(['run', 'inspect', 'list', 'watch', 'release', 'doctor', 'completion']),
    );
    for (const name of names) {
      const help = await holdfast([name, '--help']);
      expect(help.code).toBe(0);
      expect(help.stdout, name).toContain('Examples:');
      expect(
        help.stdout.split('\n').filter((line) => line.length > 80),
        name,
      ).toEqual([]);
    }
  });

  it('a reader that has enough is no failure', async () => {
    const shell = spawn('bash', ['-o', 'pipefail', '-c', `"$@" --help | true`, 'bash', ...holdfastWords], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    shell.stderr.on('data', (text) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => shell.once('close', resolve));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

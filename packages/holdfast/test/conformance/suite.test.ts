import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { startRedis } from '@holdfast/testbed';
import { describe, expect, it } from 'vitest';
import { holdfast, start, temporaryFolder } from '../cli/support.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

describe('holdfast conformance <url>', { timeout: 120_000 }, () => {
  it('gives the report of a backend that conforms, and exits with 0', async () => {
    const { code, stdout, stderr } = await holdfast(['conformance', 'memory:', '--filter', 'C-84,LK-0001', '--json']);
    expect(stderr).toMatch(/^memory conforms, in a part of the suite: \d+ pass/m);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ ok: true, complete: false, harness: 'memory' });
    expect(report.results.map(({ id }: { id: string }) => id)).toContain('LK-0001');
  });

  it('on a server: breaks connections, starts processes, names versions, and shows no password anywhere', async () => {
    await using server = await startRedis({ password: 'p@ss/word' });
    using folder = temporaryFolder();
    const files = [
      '--json',
      folder.file('r.json'),
      '--markdown',
      folder.file('r.md'),
      '--badge',
      folder.file('b.json'),
    ];
    const { code, stdout, stderr } = await holdfast(['conformance', server.url, '--filter', 'reply,process', ...files]);
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: '' });
    const texts = ['r.json', 'r.md', 'b.json'].map((name) => readFileSync(folder.file(name), 'utf8'));
    for (const text of [...texts, stderr]) expect(text).not.toMatch(/p@ss|p%40ss/);
    const report = JSON.parse(texts[0]!);
    expect(report.counts).toMatchObject({ fail: 0 });
    expect(report.results.filter(({ outcome }: { outcome: string }) => outcome === 'pass').length).toBeGreaterThan(5);
    expect(report.versions).toEqual({
      adapter: expect.stringMatching(/^@holdfast\/adapter-ioredis \d/),
      client: expect.stringMatching(/^ioredis \d/),
      server: expect.stringMatching(/^redis-server \d/),
    });
    expect(texts[1]).toContain('# Conformance: ioredis, redis');
    expect(JSON.parse(texts[2]!)).toMatchObject({ schemaVersion: 1, color: 'lightgrey' });
  });

  it('a server that is away is one clear line and 69', async () => {
    const { code, stderr } = await holdfast(['conformance', 'redis://127.0.0.1:1']);
    expect(code).toBe(69);
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining('redis://127.0.0.1:1')]);
  });
});

describe('holdfast conformance <module>', { timeout: 120_000 }, () => {
  it('an adapter that breaks a rule: the case and its reason on the screen, and 1', async () => {
    const { code, stderr } = await holdfast(['conformance', fixture('nameless.ts'), '--filter', 'LK-0001,LK-0002']);
    expect(stderr).toMatch(/✗ LK-0001 MUST C-\d+: .+\n +\S/);
    expect(stderr).toContain('nameless does not conform, in a part of the suite: 1 pass, 1 fail');
    expect(code).toBe(1);
  });

  it.each([
    [['conformance'], 'Check what? Name a lock URL'],
    [['conformance', './nowhere.ts'], 'There is no file ./nowhere.ts'],
    [['conformance', fixture('no-harness.mjs')], 'exports no harness'],
    [['conformance', 'memory:', '--filter', 'quark'], 'No case matches --filter quark'],
    [['conformance', 'memory:', '--json', '--markdown'], 'only one can go to stdout'],
    [['conformance', 'memory:', '--json', 'redis://a'], 'The target comes first'],
    [['conformance', 'memory:', '--stress', '10'], 'needs a unit'],
    [['conformance', 'memory:', '--stress', '1s', '--nemesis', 'earthquake'], 'There is no fault "earthquake"'],
    [['conformance', 'memory:', '--stress', '1s', '--nemesis', 'kill'], 'lives and dies with the one process'],
    [['conformance', 'memory:', '--stress', '1s', '--processes', '2'], 'processes must be 1'],
    [['conformance', 'redis+cluster://a', '--stress', '1s', '--nemesis', 'cut'], 'announce their own addresses'],
  ])('%j is refused with 64: %s', async (args, message) => {
    const { code, stderr } = await holdfast(args);
    expect(stderr).toContain(message);
    expect(code).toBe(64);
  });

  it('Ctrl-C ends it with 130', async () => {
    // A server that takes connections and says nothing: the first case waits for it.
    await using silent = createServer((socket) => void socket.resume().on('error', () => {})).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const running = start(['conformance', fixture('simple-redis.ts'), '--filter', 'LK-0001'], {
      REDIS_PORT: String(port),
    });
    running.child.stderr!.once('data', () => running.child.kill('SIGINT'));
    running.child.stderr!.on('data', (text: string) => {
      if (text.includes('Ending')) running.child.kill('SIGINT');
    });
    expect((await running.ended).code).toBe(130);
  });
});

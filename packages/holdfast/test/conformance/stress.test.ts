import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type RedisServer, startRedis } from '@holdfast/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdfast, runs, start, temporaryFolder, until } from '../cli/support.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const simple = fixture('simple-redis.ts');
let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.stop());

/** Runs the workload on the simple lock with a bug. */
const stress = (bug: string, more: string[] = []) =>
  holdfast(['conformance', simple, '--stress', '8s', '--keys', '2', '--ttl', '500ms', ...more], {
    BUG: bug,
    REDIS_PORT: String(server.port),
  });

describe('holdfast conformance --stress', { timeout: 180_000 }, () => {
  it('finds nothing wrong with a sound adapter, though it is paused, cut off and killed', async () => {
    const args = [
      '--stress',
      '10s',
      '--processes',
      '3',
      '--ttl',
      '500ms',
      '--nemesis',
      'pause,cut,kill',
      '--seed',
      'one',
    ];
    const { code, stdout, stderr } = await holdfast(['conformance', server.url, ...args, '--json']);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ ok: true, interrupted: false, violations: [], orphans: [], troubles: [] });
    expect(report.settings).toMatchObject({ seed: 'one', processes: 3, ttlMs: 500 });
    expect(report.counts.granted).toBeGreaterThan(10);
    for (const fault of ['pause', 'cut', 'kill']) expect(report.faults[fault], fault).toBeGreaterThan(0);
    expect(report.processes).toBeGreaterThan(3);
  });

  it('H1: catches a release that does not look at the owner, and draws the moments around it', async () => {
    using folder = temporaryFolder();
    // Core releases what it lost only after a stall, so that is the fault that shows the bug.
    const { code, stderr } = await stress('release', [
      '--stress',
      '20s',
      '--nemesis',
      'pause',
      '--ttl',
      '300ms',
      '--out',
      folder.path,
    ]);
    expect(stderr).toMatch(/NOT SOUND: [1-9][\d,]* violations?/);
    expect(stderr).toMatch(/had two holders|the fencing token|refused a write/);
    expect(code).toBe(1);
    expect(readFileSync(folder.file('violations.html'), 'utf8')).toMatch(/^<!doctype html>/i);
    expect(readFileSync(folder.file('violations.txt'), 'utf8')).toContain('asked or giving back');
    expect(readFileSync(folder.file('faults.txt'), 'utf8')).toMatch(/is killed|stands still|before the server/);
  });

  it('finds the locks that a killed process leaves behind for ever', async () => {
    using folder = temporaryFolder();
    // With many keys each process that is killed holds one.
    const args = ['--nemesis', 'kill', '--keys', '8', '--stress', '12s', '--out', folder.path];
    const { code, stderr } = await stress('endless', args);
    expect(stderr).toContain('was left behind: ');
    expect(code).toBe(1);
  });

  it('finds rejections that nobody listens to', async () => {
    using folder = temporaryFolder();
    const { code, stderr } = await stress('rejection', ['--nemesis', 'pause', '--out', folder.path]);
    expect(stderr).toContain('rejected with nobody listening: Error: nobody listens to this');
    expect(code).toBe(1);
  });

  it('Ctrl-C ends it early, checks what there is, and leaves no process behind', async () => {
    const running = start(['conformance', server.url, '--stress', '1h', '--nemesis', 'pause', '--json']);
    let stderr = '';
    running.child.stderr!.on('data', (text: string) => {
      stderr += text;
    });
    await until('the processes work', () => /[1-9]\d* holds/.test(stderr));
    const children = readFileSync(`/proc/${running.child.pid}/task/${running.child.pid}/children`, 'utf8')
      .trim()
      .split(' ');
    expect(children.length).toBeGreaterThan(3);
    running.child.kill('SIGINT');
    const { code, stdout } = await running.ended;
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, interrupted: true });
    await until('the processes are gone', () => children.every((pid) => !runs(Number(pid))));
  });

  it('plays what a harness can do to its servers, and has it stop what it started', async () => {
    const args = ['--stress', '10s', '--nemesis', 'freeze,restart', '--processes', '2', '--ttl', '500ms', '--json'];
    const { code, stdout, stderr } = await holdfast(['conformance', fixture('own-server.ts'), ...args]);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout);
    for (const fault of ['freeze', 'restart']) expect(report.faults[fault], fault).toBeGreaterThan(0);
    const [, pid] = /^stops (\d+)$/m.exec(stderr)!;
    expect(runs(Number(pid))).toBe(false);
  });

  it('memory: one process, which may be paused', async () => {
    const { code, stdout, stderr } = await holdfast(['conformance', 'memory:', '--stress', '3s', '--json']);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, processes: 1, settings: { nemesis: ['pause'] } });
  });
});

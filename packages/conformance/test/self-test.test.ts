import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { adapterFaults } from '../src/faults/index.ts';
import { createRecorder, formatEvent } from '../src/history/index.ts';
import { type Harness, openSuite, renderBadge, runConformance, selfTest } from '../src/index.ts';

const never = new AbortController().signal;
const attempt = (key: string, owner: string) => ({ key, owner, ttlMs: 60_000, tokens: 1, signal: never });

function memoryHarness(): Harness {
  const store = memoryStore();
  return { name: 'memory', adapter: async () => memoryAdapter({ store }), capabilities: memoryAdapter().capabilities };
}

describe('the self-test', () => {
  it('finds each bug that it puts into a right adapter', async () => {
    const results = await selfTest(memoryHarness());
    expect(results.length).toBeGreaterThanOrEqual(5);
    for (const { bug, found } of results) expect(found, bug).toBe(true);
  });
});

describe('a mistake in the harness is reported before the first case', () => {
  const refused = (change: object) => openSuite({ ...memoryHarness(), ...change });

  it('a hook that does not exist', async () => {
    await expect(refused({ hooks: { freez: () => {} } })).rejects.toThrow(
      /hook "freez", which nothing calls; there are/,
    );
  });

  it('a timing that nothing reads, or that is no time', async () => {
    await expect(refused({ timing: { leasMs: 900 } })).rejects.toThrow(/timing "leasMs", which nothing reads/);
    await expect(refused({ timing: { graceMs: '900' } })).rejects.toThrow(
      /timing "graceMs" that is not a number of ms/,
    );
  });

  it('one client given twice', async () => {
    const one = memoryAdapter();
    await expect(refused({ adapter: async () => one })).rejects.toThrow(/gives one client twice/);
  });

  it('no adapter', async () => {
    await expect(refused({ adapter: undefined })).rejects.toThrow(/must have a function "adapter"/);
    await expect(refused({ adapter: async () => ({ name: 'x', release() {} }) })).rejects.toThrow(
      /no lock adapter: it has no tryAcquire, no renew/,
    );
  });
});

describe('a mistake in how a run is asked for', () => {
  it('a filter that leaves no case is refused: nothing could fail', async () => {
    const run = runConformance(memoryHarness(), { filter: () => false });
    await expect(run).rejects.toThrow(/The filter leaves no case/);
  });
});

describe('what is declared and was not checked', () => {
  it('is said to be so, and the badge is not green', async () => {
    const report = await runConformance(memoryHarness(), { filter: ({ id }) => ['LK-0053', 'LK-0058'].includes(id) });
    expect(report.claims).toContainEqual({ name: 'fencing', verified: true });
    expect(report.claims).toContainEqual({
      name: 'failover',
      verified: false,
      reason: 'needs the hook "failover" (LK-0142)',
    });
    const badge = JSON.parse(renderBadge({ ...report, complete: true }));
    expect(badge.color).toBe('yellow');
    expect(badge.message).toMatch(/^MUST 2\/2 · fencing · declared, not verified: .*failover/);
  });

  it('an answer of no legal form fails a case that does not look at it', async () => {
    const harness = memoryHarness();
    const adapter = async () => {
      const right = await harness.adapter();
      return {
        ...right,
        release: async (hold: { key: string; owner: string }) => (await right.release(hold)) === 'released',
      };
    };
    const report = await runConformance(
      { ...harness, adapter: adapter as unknown as Harness['adapter'] },
      { filter: ({ id }) => id === 'LK-0009' },
    );
    expect(report.results[0]?.reason).toContain('release: the answer must be "released" or "not-held", not true');
  });
});

describe('faults at the level of the adapter', () => {
  it('lose requests and answers, delay them, and make calls twice', async () => {
    const { adapter, inject } = adapterFaults(memoryAdapter());
    inject('tryAcquire', 'request-lost', 'reply-lost');
    await expect(adapter.tryAcquire(attempt('a', 'one'))).rejects.toThrow(/was lost/);
    expect(await adapter.inspect!('a')).toBeUndefined();
    await expect(adapter.tryAcquire(attempt('a', 'one'))).rejects.toThrow(/was lost/);
    expect((await adapter.inspect!('a'))?.owner).toBe('one');
    inject('release', 'twice', 'late');
    expect(await adapter.release({ key: 'a', owner: 'one' })).toBe('released');
    await adapter.tryAcquire(attempt('a', 'two'));
    await expect(adapter.release({ key: 'a', owner: 'two' })).rejects.toThrow(/was lost/);
    await expect.poll(async () => adapter.inspect!('a')).toBeUndefined();
  });
});

describe('the command that checks a recorded history', () => {
  const command = fileURLToPath(new URL('../src/check-history.ts', import.meta.url));
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), command, ...args], { encoding: 'utf8' });
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-history-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('says that a right one is valid, and shows two holders of another', async () => {
    const recorder = createRecorder({ file: join(folder, 'right.jsonl') });
    const adapter = recorder.adapter(memoryAdapter());
    await adapter.tryAcquire(attempt('a', 'one'));
    await adapter.release({ key: 'a', owner: 'one' });
    recorder.close();
    const right = run(join(folder, 'right.jsonl'));
    expect(right.stdout).toBe('valid: 1 holds, 0 violations\n');
    expect(right.status).toBe(0);

    const granted = (owner: string, t: number) => [
      { t, process: owner, op: owner, f: 'acquire', kind: 'invoke', key: 'a', hold: owner, owner } as const,
      {
        t: t + 1,
        process: owner,
        op: owner,
        f: 'acquire',
        kind: 'ok',
        key: 'a',
        hold: owner,
        owner,
        deadline: t + 100,
      } as const,
    ];
    const events = [...granted('one', 1), ...granted('two', 5)];
    writeFileSync(join(folder, 'wrong.jsonl'), events.map((event) => `${formatEvent(event)}\n`).join(''));
    const wrong = run(join(folder, 'wrong.jsonl'));
    expect(wrong.stdout).toMatch(/invalid: 2 holds, 1 violations/);
    expect(wrong.status).toBe(1);
  });

  it('refuses wrong usage, and what is no history', () => {
    expect(run().status).toBe(64);
    writeFileSync(join(folder, 'none.jsonl'), 'hello\n');
    const none = run(join(folder, 'none.jsonl'));
    expect(none.stderr).toMatch(/Line 1 is not an event of a history/);
    expect(none.status).toBe(64);
  });
});

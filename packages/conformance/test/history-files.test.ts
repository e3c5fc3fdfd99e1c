import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import {
  checkHistory,
  createRecorder,
  formatEvent,
  type HistoryEvent,
  parseHistory,
  readHistoryFiles,
} from '../src/history/index.ts';

const attempt = (owner: string) => ({
  ...{ key: 'k', owner, ttlMs: 5_000, tokens: 1 },
  signal: new AbortController().signal,
});

describe('writes to a fenced resource', () => {
  it('H48: a stale one that was accepted is found, one that was refused is right', async () => {
    const recorder = createRecorder();
    await recorder.write('row', 2n, async () => true);
    await recorder.write('row', 2n, async () => true);
    await recorder.write('row', 1n, async () => false);
    await expect(recorder.write('row', 1n, () => Promise.reject(new Error('cut')))).rejects.toThrow('cut');
    expect(checkHistory(recorder.events).verdict).toBe('valid');
    await recorder.write('row', 1n, async () => true);
    expect(checkHistory(recorder.events).violations).toMatchObject([{ rule: 'stale-write', key: 'row' }]);
  });
});

describe('JSONL', () => {
  it('H48: of two processes, one of them killed while it holds, is one history', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-history-'));
    try {
      const files = ['a', 'b'].map((name) => join(folder, `${name}.jsonl`));
      const child = fork(new URL('./support/recorded-holder.ts', import.meta.url), [files[0]!], {
        execArgv: ['--import', 'tsx'],
      });
      await once(child, 'message');
      child.kill('SIGKILL');
      await once(child, 'exit');
      const recorder = createRecorder({ file: files[1]!, process: 'parent' });
      await recorder.adapter(memoryAdapter()).tryAcquire(attempt('of the parent'));
      recorder.close();
      recorder.close();
      const events = readHistoryFiles(...files);
      expect(new Set(events.map(({ process }) => process))).toEqual(new Set(['child', 'parent']));
      expect(readFileSync(files[1]!, 'utf8')).toBe(recorder.events.map((event) => `${formatEvent(event)}\n`).join(''));
      expect(events.filter((event) => event.process === 'parent')).toEqual(recorder.events.map(withoutUndefined));
      // One clock: the child asked before it died, the parent after. Both hold "k" in stores of their own: found.
      expect(checkHistory(events).violations).toMatchObject([
        { rule: 'exclusion', holds: [{ id: 'of the child' }, { id: 'of the parent' }] },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('leaves out a line that was cut off, and names one that is no event', () => {
    const line = JSON.stringify({ t: 1, process: 'a', op: '1', f: 'acquire', kind: 'invoke', key: 'k', hold: 'h' });
    expect(parseHistory(`${line}\n${line.slice(0, 20)}`)).toHaveLength(1);
    expect(() => parseHistory(`${line}\n{}\n`)).toThrow(/Line 2 .* "op" is missing/);
  });
});

/** As JSON leaves it. */
const withoutUndefined = (event: HistoryEvent) =>
  Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined));

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CheckOptions, checkHistory, readHistoryFiles, type Violation } from '../src/history/index.ts';

const folder = new URL('./histories/', import.meta.url);
const check = (name: string, options?: CheckOptions) =>
  checkHistory(readHistoryFiles(new URL(`${name}.jsonl`, folder).pathname), options);

/** What is wrong with each bad history, and the words that say so. */
const bad: Record<string, { rule: Violation['rule']; message: RegExp; options?: CheckOptions; overlapMs?: number }> = {
  'bad-granted-before-the-deadline': {
    rule: 'exclusion',
    message: /for 4\.000 ms: A .* until its deadline/,
    overlapMs: 4,
  },
  'bad-told-of-its-loss-too-late': { rule: 'exclusion', message: /until it was told of its loss/, overlapMs: 50 },
  'bad-granted-before-a-lease-that-was-still-there': {
    rule: 'exclusion',
    message: /for 38\.000 ms: A .* until it called release/,
    overlapMs: 38,
  },
  'bad-released-by-the-loser': {
    rule: 'exclusion',
    message: /B .* until it called release, C/,
    overlapMs: 14,
  },
  'bad-token-given-twice': { rule: 'fencing', message: /token 9 to B .* after 9 to A/ },
  'bad-token-of-a-reserved-block': { rule: 'fencing', message: /token 12 to B .* after 12 to A/ },
  'bad-re-entry-with-another-token': { rule: 'fencing', message: /re-entry keeps the token/ },
  'bad-stale-write-accepted': { rule: 'stale-write', message: /token 1 \(process A\) after one with 2 \(process B\)/ },
  'bad-token-of-a-possession-re-entered-while-it-was-released': { rule: 'linearizability', message: /tokens rise/ },
  'bad-refused-with-nobody-holding': {
    rule: 'linearizability',
    message: /each refusal met a holder/,
    options: { strict: true },
  },
  'bad-queue-overtaken': { rule: 'linearizability', message: /grants follow the queue/, options: { fifo: true } },
};

const files = readdirSync(folder).map((file) => file.replace('.jsonl', ''));

describe('histories whose verdict is known', () => {
  for (const name of files.filter((file) => file.startsWith('good-'))) {
    it.each([{}, { strict: true, fifo: name.includes('queue') }])(`${name} with %o`, (options) => {
      const report = check(name, options);
      expect(report.violations.map(({ message }) => message)).toEqual([]);
      expect(report.verdict).toBe('valid');
      expect(report.history.holds.length).toBeGreaterThan(0);
    });
  }

  it.each(Object.entries(bad))('%s', (name, { rule, message, options, overlapMs }) => {
    const report = check(name, options);
    expect(report.verdict).toBe('invalid');
    const violation = report.violations.find((candidate) => message.test(candidate.message));
    expect(violation, report.violations.map((found) => found.message).join('\n')).toMatchObject({ rule });
    expect(violation?.overlapMs).toBe(overlapMs);
    if (options) expect(check(name).verdict).toBe('valid');
  });

  it('are all of them judged', () => {
    expect(files.filter((file) => file.startsWith('bad-'))).toEqual(Object.keys(bad).sort());
  });
});

describe('clocks that are apart', () => {
  it('excuse an overlap up to twice as long, and no longer', () => {
    const name = 'bad-granted-before-the-deadline';
    expect(check(name, { skewMs: 1.9 }).verdict).toBe('invalid');
    expect(check(name, { skewMs: 2 }).verdict).toBe('valid');
  });
});

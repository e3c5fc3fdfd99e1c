import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type CheckOptions,
  checkHistory,
  readHistoryFiles,
  renderHtml,
  renderText,
  type Violation,
} from '../src/history/index.ts';

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
  'bad-granted-before-a-late-renewal-could-end': {
    rule: 'exclusion',
    message: /for 10\.000 ms: A .* until its deadline/,
    overlapMs: 10,
  },
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

describe('the timeline', () => {
  it('shows the moments around a violation, however long the leases', () => {
    const { history, violations } = check('bad-granted-before-the-deadline');
    const text = renderText(history, violations[0]!);
    expect(text).toMatch(/^> \|=+#{8,}\s*\| A token 1$/m);
    expect(text).toMatch(/^> \|\s*\.+#{8,}=+\| B token 2$/m);
    expect(text).toMatch(/10\.000 +process A +fence 1 +write ok \(token 1\)/);
  });

  it('is drawn for every violation, as text and as a page', () => {
    for (const [name, { options }] of Object.entries(bad)) {
      const { history, violations } = check(name, options);
      for (const violation of violations) expect(renderText(history, violation)).toContain(violation.message);
      const page = renderHtml(history, violations);
      expect(page).not.toMatch(/NaN|Infinity|undefined/);
      expect(page.match(/<section>/g)?.length).toBe(violations.length);
    }
  });

  it('takes names for text, never for markup', () => {
    const { history, violations } = check('bad-token-given-twice');
    const page = renderHtml(history, [{ ...violations[0]!, message: '<script>alert("x")</script>' }]);
    expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;');
  });
});

describe('clocks that are apart', () => {
  it('excuse an overlap up to twice as long, and no longer', () => {
    const name = 'bad-granted-before-the-deadline';
    expect(check(name, { skewMs: 1.9 }).verdict).toBe('invalid');
    expect(check(name, { skewMs: 2 }).verdict).toBe('valid');
  });
});

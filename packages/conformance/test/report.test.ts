import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import {
  type Claim,
  type Harness,
  openSuite,
  type Report,
  renderBadge,
  renderJson,
  renderMarkdown,
  runConformance,
} from '../src/index.ts';

const store = memoryStore();
const sound: Harness = {
  name: 'memory',
  adapter: async () => memoryAdapter({ store }),
  capabilities: memoryAdapter().capabilities,
  versions: async () => ({ client: 'none 1.2', server: 'this | process' }),
  seed: 7,
};
/** LK-0006 fails on it. */
const broken: Harness = {
  ...sound,
  adapter: async () => ({ ...memoryAdapter(), name: 'memory that nobody shares' }),
};
const only = (...ids: string[]) => ({ filter: ({ id }: { id: string }) => ids.includes(id) });
const outcomes = ({ results }: Report) => Object.fromEntries(results.map(({ id, outcome }) => [id, outcome]));

describe('knownFailing', () => {
  it('still runs the case; its failure does not fail the run, and keeps both reasons', async () => {
    const report = await runConformance({ ...broken, knownFailing: { 'LK-0006': 'see issue 12' } }, only('LK-0006'));
    expect(outcomes(report)).toEqual({ 'LK-0006': 'known-failing' });
    expect(report.results[0]?.reason).toMatch(/^see issue 12 \(.*must be told "busy"/);
    expect(report.counts).toEqual({ pass: 0, fail: 0, skip: 0, 'known-failing': 1, 'unexpected-pass': 0 });
    expect(report.ok).toBe(true);
  });

  it('fails the run when the case passes', async () => {
    const harness = { ...sound, knownFailing: { 'LK-0006': 'see issue 12', 'LK-0059': 'never runs here' } };
    const report = await runConformance(harness, only('LK-0006', 'LK-0059'));
    expect(outcomes(report)).toEqual({ 'LK-0006': 'unexpected-pass', 'LK-0059': 'skip' });
    expect(report.results[0]?.reason).toContain('see issue 12');
    expect(report.ok).toBe(false);
  });

  it('may only name cases that exist', async () => {
    await expect(openSuite({ ...sound, knownFailing: { 'LK-9999': 'typo' } })).rejects.toThrow(
      /names no case: LK-9999/,
    );
  });
});

describe('the report', () => {
  it('names suite, adapter, versions, capabilities and seed, and each case with its rule, outcome and time', async () => {
    const report = await runConformance(sound, only('LK-0006', 'LK-0059'));
    expect(report).toMatchObject({
      suite: { name: '@holdfast/conformance', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
      harness: 'memory',
      adapter: 'memory',
      versions: { client: 'none 1.2', server: 'this | process' },
      node: process.version,
      capabilities: sound.capabilities,
      seed: 7,
      complete: false,
      ok: true,
    });
    const parsed = JSON.parse(renderJson(report));
    expect(parsed.results).toMatchObject([
      { id: 'LK-0006', level: 'MUST', rule: 'C-1', outcome: 'pass', ms: expect.any(Number) },
      { id: 'LK-0059', outcome: 'skip', reason: 'the backend declares fencing: true, the case is for false' },
    ]);
  });

  it('is a page of Markdown, whose cells cannot break the table', async () => {
    const report = await runConformance(broken, only('LK-0006', 'LK-0059'));
    const page = renderMarkdown(report, '../CONTRACT.md');
    expect(page).toContain(
      '# Conformance: memory\n\nDoes not conform: 0 of 1 MUST cases that apply passed, of a part of',
    );
    expect(page).toContain('| server | this \\| process |\n');
    expect(page).toMatch(
      /\n\| LK-0006 \| MUST \| \[C-1\]\(\.\.\/CONTRACT\.md#c-1\) \| .* \| fail \| \d+ \| .*busy.* \|\n/,
    );
    const widths = page.split('\n').filter((line) => line.startsWith('| LK-'));
    for (const line of widths) expect(line.replaceAll('\\|', '').match(/\|/g)).toHaveLength(8);
    expect(renderMarkdown(report)).toContain('| C-1 |');
    const known = await runConformance({ ...broken, knownFailing: { 'LK-0006': 'issue 12' } }, only('LK-0006'));
    expect(renderMarkdown(known)).toContain('\n\nConforms but for what is known to fail: 0 of 1 ');
  });

  it('is a badge: green, yellow when something is known to fail, red when something failed, grey when a part ran', async () => {
    const badge = (report: Report) => JSON.parse(renderBadge(report));
    const part = await runConformance(sound, only('LK-0006', 'LK-0007', 'LK-0059'));
    const claims = ['fencing', 'fifo', 'failover'].map((name) => ({ name, verified: true }) as Claim);
    const whole = { ...part, complete: true, claims };
    expect(badge(whole)).toEqual({
      schemaVersion: 1,
      label: 'holdfast',
      message: 'MUST 2/2 · fencing, fifo, failover',
      color: 'brightgreen',
    });
    expect(badge(part)).toMatchObject({ message: expect.stringMatching(/part of the suite$/), color: 'lightgrey' });
    const known = await runConformance({ ...broken, knownFailing: { 'LK-0006': 'issue 12' } }, only('LK-0006'));
    expect(badge({ ...known, complete: true })).toMatchObject({
      message: expect.stringMatching(/^MUST 0\/1/),
      color: 'yellow',
    });
    const failed = await runConformance(broken, only('LK-0006'));
    expect(badge(failed)).toMatchObject({ color: 'red' });
  });
});

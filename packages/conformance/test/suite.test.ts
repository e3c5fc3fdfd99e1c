import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { type Case, cases, type Gate, type Harness, hazards, runConformance } from '../src/index.ts';
import { newTable, sessionAdapter, sessionCapabilities } from './support/table-adapter.ts';

describe('the cases', () => {
  it('have ids that are never reused or renumbered', () => {
    const lines = cases.map(({ id, level, rule, title }) => `${id} ${level} ${rule} ${title}`);
    expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
    expect(lines).toMatchSnapshot();
  });

  it('are at least 80 MUSTs', () => {
    expect(cases.filter(({ level }) => level === 'MUST').length).toBeGreaterThanOrEqual(80);
  });

  it('H87: have an inverse wherever a capability gates them', () => {
    const gated = new Map<string, Set<unknown>>();
    for (const { requires } of cases) {
      for (const [name, value] of Object.entries(requires ?? {})) {
        gated.set(name, (gated.get(name) ?? new Set()).add(value));
      }
    }
    const bothSides: Record<keyof Gate, number> = {
      fencing: 2,
      fairness: 2,
      expiry: 2,
      wakeup: 2,
      survivesFailover: 2,
      crossProcess: 2,
      shared: 2,
      permits: 2,
    };
    expect(Object.fromEntries([...gated].map(([name, values]) => [name, values.size]))).toEqual(bothSides);
  });

  it('name hazards of the catalogue, each once', () => {
    const numbers = new Set(hazards.map(({ number }) => number));
    for (const { id, hazards: named } of cases) {
      expect(new Set(named).size, id).toBe(named.length);
      for (const number of named) expect(numbers, id).toContain(number);
    }
  });

  it('import no test runner', () => {
    const folder = new URL('../src/', import.meta.url);
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const importers = files.filter(
      (file) =>
        file.endsWith('.ts') && /from '(vitest|mocha|node:test)'/.test(readFileSync(new URL(file, folder), 'utf8')),
    );
    expect(importers.sort()).toEqual(['mocha.ts', 'node-test.ts', 'vitest.ts']);
  });
});

describe('the reference passes', { timeout: 120_000 }, () => {
  // Those that look at the whole process run in the adapter's own tests.
  const beside = ({ alone }: Case) => !alone;
  const harnessOf = (fencing: boolean, fairness: 'fifo' | 'none'): Harness => {
    const store = memoryStore();
    const make = () => memoryAdapter({ store, fencing, fairness });
    return { name: 'memory', adapter: async () => make(), capabilities: make().capabilities };
  };

  const only = (...ids: readonly string[]) => ({ filter: ({ id }: Case) => ids.includes(id) });

  it('with leases of ten minutes', async () => {
    const harness = { ...harnessOf(true, 'fifo'), timing: { longTtlMs: 600_011 } };
    const report = await runConformance(harness, only('LK-0295'));
    expect(report.results.map(({ reason }) => reason)).toEqual([undefined]);
  });

  it('where the backend counts in seconds', async () => {
    const right = harnessOf(true, 'fifo');
    const inSeconds = async () => {
      const adapter = await right.adapter();
      return {
        ...adapter,
        async inspect(key: string) {
          const info = await adapter.inspect!(key);
          return info?.since && { ...info, since: new Date(Math.floor(info.since.getTime() / 1_000) * 1_000) };
        },
      };
    };
    const ttl = { minMs: 1_000, granularityMs: 1_000, maxOvershootMs: 1_000 };
    const harness = { ...right, adapter: inSeconds, capabilities: { ...right.capabilities, ttl } };
    const report = await runConformance(harness, only('LK-0294'));
    expect(report.results.map(({ reason }) => reason)).toEqual([undefined]);
  });

  for (const fencing of [true, false]) {
    for (const fairness of ['fifo', 'none'] as const) {
      it.concurrent(`with fencing ${fencing} and fairness ${fairness}`, async () => {
        const report = await runConformance(harnessOf(fencing, fairness), { filter: beside });
        expect(report.results.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
        expect(report.unhandled).toEqual([]);
        expect(report.ok).toBe(true);
        expect(report.counts.pass).toBeGreaterThan(90);
      });
    }
  }

  it.concurrent('with holds that end with a session, by polling', async () => {
    const table = newTable();
    const harness: Harness = {
      name: 'sessions',
      adapter: async () => sessionAdapter(table),
      capabilities: sessionCapabilities,
      hooks: { revoke: async (key) => void table.rows.delete(key) },
    };
    const report = await runConformance(harness, { filter: beside });
    expect(report.results.filter(({ outcome }) => outcome === 'fail')).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.counts.pass).toBeGreaterThan(80);
  });
});

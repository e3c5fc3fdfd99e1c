import { subscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks, type LockAdapter } from '@holdfast/lock-core';
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { metricNames } from '../src/metrics.ts';
import { observe } from './support/observe.ts';

interface Panel {
  id: number;
  title: string;
  description: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string }[];
}

const dashboard: { panels: Panel[] } = JSON.parse(
  readFileSync(new URL('../dashboards/grafana.json', import.meta.url), 'utf8'),
);
const expressions = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));

/** Labels by series, as Prometheus scrapes them. */
const scraped = new Map<string, Set<string>>();

const underscored = (name: string): string => name.replaceAll('.', '_');

/** As the OpenTelemetry specification translates a metric for Prometheus, and the Collector does. */
function prometheusNames({ descriptor, dataPointType }: MetricData): string[] {
  const name = underscored(descriptor.name) + (descriptor.unit === 's' ? '_seconds' : '');
  if (dataPointType === DataPointType.HISTOGRAM) return ['_bucket', '_count', '_sum'].map((end) => name + end);
  return [dataPointType === DataPointType.SUM && counts(descriptor.name) ? `${name}_total` : name];
}

const counts = (name: string): boolean => name !== metricNames.active;

/** Makes each metric have at least one point. */
async function everything(): Promise<void> {
  const memory = memoryAdapter();
  let deaf = false;
  const adapter: LockAdapter = {
    ...memory,
    tryAcquire: (attempt) => (deaf ? new Promise(() => {}) : memory.tryAcquire(attempt)),
  };
  delete (adapter as { enqueue?: unknown }).enqueue;
  await using locks = createLocks(adapter, { ttlMs: 3_000, attemptTimeoutMs: 50, backendTimeoutMs: 100 });
  // A task that waits for what its own process holds.
  const warned = new Promise<void>((resolve) => subscribe('holdfast:warning', () => resolve()));
  const slow = await locks.acquire('slow', { ttlMs: 1_500 });
  const waiting = locks.acquire('slow');
  await warned;
  await slow.release();
  await (await waiting).release();
  const lock = await locks.acquire('k');
  await lock.renew();
  for (const until = performance.now() + 1_500; performance.now() < until; );
  await locks.tryAcquire('k');
  await locks.forceRelease('k');
  await lock.release();
  deaf = true;
  await locks.acquire('silent').catch(() => {});
  deaf = false;
}

beforeAll(async () => {
  using observed = observe();
  await everything();
  await vi.waitFor(
    async () => {
      const { active: _, ...counted } = metricNames;
      for (const name of Object.values(counted)) expect(await observed.total(name), name).toBeGreaterThan(0);
    },
    { timeout: 20_000, interval: 20 },
  );
  const { scopeMetrics } = await observed.metrics();
  for (const metric of scopeMetrics.flatMap((scope) => scope.metrics)) {
    const labels = metric.dataPoints.flatMap((point) => Object.keys(point.attributes as Record<string, unknown>));
    for (const series of prometheusNames(metric)) scraped.set(series, new Set([...labels.map(underscored), 'le']));
  }
});

describe('the Grafana dashboard', () => {
  it.each(expressions)('$title: $expr', ({ expr }) => {
    const series = [...expr.matchAll(/\b(holdfast_[a-z_]+)\{([^}]*)\}/g)];
    expect(series).not.toEqual([]);
    for (const [, name, matchers] of series) {
      expect([...scraped.keys()]).toContain(name);
      const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(/,\s*/));
      const matched = [...matchers!.matchAll(/([a-z_]+)=/g)].map(([, label]) => label!);
      for (const label of [...grouped, ...matched])
        expect([...scraped.get(name!)!], `${name} by ${label}`).toContain(label);
    }
  });

  it('shows every metric', () => {
    const shown = expressions.map(({ expr }) => expr).join('\n');
    for (const name of Object.values(metricNames)) expect(shown).toContain(name.replaceAll('.', '_'));
  });

  it('its panels have a title, a description and a place of their own', () => {
    const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
    expect(new Set(places).size).toBe(places.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(places.length);
    for (const { title, description, gridPos } of dashboard.panels) {
      expect(title && description).toBeTruthy();
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
  });
});

import { channel } from 'node:diagnostics_channel';
import { hostname } from 'node:os';
import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks } from '@holdfast/lock-core';
import { SpanStatusCode } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { holdfastInstrumentation } from '../src/index.ts';
import { observe, under } from './support/observe.ts';

const names = ['acquire', 'wait', 'grant', 'fail', 'renew', 'release', 'lost', 'reap', 'warning'];
const listened = (): string[] => names.filter((name) => channel(`holdfast:${name}`).hasSubscribers);
const seconds = ([whole, nanos]: [number, number]): number => whole + nanos / 1e9;

it('an acquire and its hold are spans under the caller’s own, with what they waited for', async () => {
  using observed = observe();
  await using locks = createLocks(memoryAdapter());
  const { token, owner } = await under(observed, async () => {
    await using lock = await locks.acquire('invoice:42', { ttlMs: 5_000 });
    return { token: String(lock.fencingToken), owner: (await locks.inspect('invoice:42'))?.owner };
  });
  const [request] = observed.spans('request');
  const [acquire] = observed.spans('holdfast acquire');
  const [hold] = observed.spans('holdfast hold');
  for (const span of [acquire, hold]) {
    expect(span?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(span?.attributes).toMatchObject({
      'holdfast.adapter': 'memory',
      'holdfast.key': 'invoice:42',
      'holdfast.via': 'backend',
      'holdfast.ttl': 5,
      'holdfast.fencing_token': token,
      'holdfast.mode': 'exclusive',
      'holdfast.holder': `${hostname()}:${process.pid}`,
      'holdfast.owner': owner,
    });
    expect(span?.status.code).toBe(SpanStatusCode.UNSET);
  }
  expect(acquire?.attributes['holdfast.outcome']).toBe('acquired');
  expect(hold?.attributes['holdfast.outcome']).toBe('released');
  expect(hold?.links.map((link) => link.context.spanId)).toEqual([acquire?.spanContext().spanId]);
});

it('each way an acquisition ends is an outcome of span and metrics', async () => {
  using observed = observe();
  await using locks = createLocks(memoryAdapter());
  const held = await locks.acquire('k');
  await locks.using('other', () => locks.using('other', () => 'nested'));
  expect(await locks.tryAcquire('k')).toBeUndefined();
  await locks.acquire('k', { waitMs: 120 }).catch(() => {});
  await locks.acquire('k', { signal: AbortSignal.timeout(30) }).catch(() => {});
  await locks.acquire('k', { owner: held.owner, reentrant: false }).catch(() => {});
  await held.release();

  const ended = (outcome: string, more = {}) =>
    observed.total('holdfast.lock.acquisitions', { 'holdfast.outcome': outcome, ...more });
  expect(await ended('acquired', { 'holdfast.via': 'backend' })).toBe(2);
  expect(await ended('acquired', { 'holdfast.via': 'reentry' })).toBe(1);
  expect(await ended('busy')).toBe(1);
  expect(await ended('timeout')).toBe(1);
  expect(await ended('aborted')).toBe(1);
  expect(await ended('error', { 'error.type': 'LOCK_SELF_DEADLOCK' })).toBe(1);
  expect(await observed.total('holdfast.lock.wait.duration')).toBe(7);
  expect(await observed.total('holdfast.lock.hold.duration')).toBe(2);
  expect(await observed.total('holdfast.lock.active_holds')).toBe(0);

  const spans = observed.spans('holdfast acquire');
  const late = spans.find((span) => span.attributes['holdfast.outcome'] === 'timeout');
  expect(late?.status.code).toBe(SpanStatusCode.ERROR);
  expect(late?.attributes['error.type']).toBe('LOCK_TIMEOUT');
  expect(late?.attributes['holdfast.waited']).toBeGreaterThanOrEqual(0.11);
  expect(seconds(late!.duration)).toBeGreaterThanOrEqual(0.1);
  expect(spans.filter((span) => span.status.code === SpanStatusCode.ERROR)).toHaveLength(2);
  expect(spans).toHaveLength(7);
  expect(observed.spans('holdfast hold')).toHaveLength(2);
});

it('what is held now is counted, lock by lock', async () => {
  using observed = observe();
  await using locks = createLocks(memoryAdapter());
  const all = await Promise.all(['a', 'b', 'c'].map((key) => locks.acquire(key)));
  expect(await observed.total('holdfast.lock.active_holds')).toBe(3);
  await all[0]?.release();
  await locks.forceRelease('b');
  expect(await observed.total('holdfast.lock.active_holds')).toBe(1);
  expect(await observed.total('holdfast.lock.lost')).toBe(1);
  const lost = observed.spans('holdfast hold').find((span) => span.attributes['holdfast.outcome'] === 'lost');
  expect(lost?.status).toMatchObject({ code: SpanStatusCode.ERROR, message: expect.stringContaining('by force') });
});

it('an event loop that stands still for more than a third of a lease is a warning', async () => {
  using observed = observe();
  await using locks = createLocks(memoryAdapter());
  const warnings = () => observed.total('holdfast.event_loop.stall.duration', { 'holdfast.adapter': 'memory' });
  const stall = (ms: number): void => {
    for (const until = performance.now() + ms; performance.now() < until; );
  };
  await locks.using('short', { ttlMs: 3_000 }, () => stall(1_500));
  expect(await warnings()).toBe(1);
  // The same stall is nothing to a long lease, on however slow a machine.
  await locks.using('long', { ttlMs: 3_600_000 }, () => stall(1_500));
  expect(await warnings()).toBe(1);
});

it('no metric has a key, unless its group is asked for', async () => {
  const keysOnMetrics = async (keyGroup?: (key: string) => string | undefined): Promise<unknown[]> => {
    using observed = observe({ keyGroup });
    await using locks = createLocks(memoryAdapter());
    await locks.using('invoice:42', () => {});
    await locks.using('odd', () => {});
    const { scopeMetrics } = await observed.metrics();
    const points = scopeMetrics.flatMap((scope) => scope.metrics).flatMap((metric) => metric.dataPoints as unknown[]);
    const keys = points.map((point) => (point as { attributes: Record<string, unknown> }).attributes['holdfast.key']);
    return [...new Set(keys)];
  };
  expect(await keysOnMetrics()).toEqual([undefined]);
  const group = (key: string) => (key.includes(':') ? key.split(':')[0] : undefined);
  expect(await keysOnMetrics(group)).toEqual(['invoice', undefined]);
});

it('nobody listens before it is registered, nor after it is disabled', async () => {
  await import('../src/index.ts');
  const instrumentation = holdfastInstrumentation();
  expect(listened()).toEqual([]);
  instrumentation.enable();
  instrumentation.enable();
  expect(listened()).toEqual(names.filter((name) => name !== 'wait'));
  instrumentation.disable();
  expect(listened()).toEqual([]);
});

it('disabled while a lock is held: its span ends, and it is not counted as held any more', async () => {
  const observed = observe();
  await using locks = createLocks(memoryAdapter());
  await locks.acquire('k');
  observed[Symbol.dispose]();
  expect(await observed.total('holdfast.lock.active_holds')).toBe(0);
  expect(observed.spans('holdfast hold').map((span) => span.attributes['holdfast.outcome'])).toEqual(['not observed']);
});

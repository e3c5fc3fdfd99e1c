import type { Meter } from '@opentelemetry/api';
import { attributes } from './attributes.ts';
import { listen } from './events.ts';
import { metricNames } from './metrics.ts';

const checkIntervalMs = 50;

/**
 * Records when the event loop was blocked for more than a third of a held lock's lease. Renewals are sent that often, so one
 * was late; a stall of the whole lease loses the lock. Checks only while a lock is held.
 */
export function watchStalls(meter: Meter): () => void {
  const stalls = meter.createHistogram(metricNames.stalls, {
    unit: 's',
    description: 'How long the event loop was blocked, when that was more than a third of the lease of a held lock.',
    advice: { explicitBucketBoundaries: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60] },
  });
  /** Adapter and lease length by hold. */
  const holds = new Map<number, { adapter: string; ttlMs: number }>();
  let timer: NodeJS.Timeout | undefined;
  let checkedAt = 0;

  function check(): void {
    const now = performance.now();
    const stalledMs = now - checkedAt - checkIntervalMs;
    checkedAt = now;
    if (stalledMs <= 0) return;
    const late = [...holds.values()].filter(({ ttlMs }) => stalledMs > ttlMs / 3);
    for (const adapter of new Set(late.map((hold) => hold.adapter))) {
      stalls.record(stalledMs / 1_000, { [attributes.adapter]: adapter });
    }
  }

  function start(): void {
    // The timer ends itself: otherwise a series of short holds would create and clear a timer each.
    timer = setInterval(() => {
      check();
      if (holds.size === 0) end();
    }, checkIntervalMs).unref();
  }

  function end(): void {
    clearInterval(timer);
    timer = undefined;
  }

  function ended({ acquisition }: { acquisition: number }): void {
    // A stall may end together with the hold, before the timer fires.
    if (holds.has(acquisition)) check();
    holds.delete(acquisition);
  }

  const stop = listen({
    grant: ({ acquisition, adapter, ttlMs, via }) => {
      if (via === 'reentry') return;
      // A stall before the grant does not concern this hold.
      if (holds.size === 0) checkedAt = performance.now();
      holds.set(acquisition, { adapter, ttlMs });
      if (timer === undefined) start();
    },
    release: ended,
    lost: ended,
  });
  return () => {
    stop();
    end();
    holds.clear();
  };
}

import type { Meter } from '@opentelemetry/api';
import { attributes } from './attributes.ts';
import { listen } from './events.ts';
import { metricNames } from './metrics.ts';

const lookEveryMs = 50;

/**
 * Warns of an event loop that stood still for more than a third of a held lock's lease: renewals go out that often, so one
 * was late, and a stall of the whole lease loses the lock. Looks only while a lock is held.
 */
export function watchStalls(meter: Meter): () => void {
  const stalls = meter.createHistogram(metricNames.stalls, {
    unit: 's',
    description: 'How long the event loop stood still, when that was more than a third of the lease of a held lock.',
    advice: { explicitBucketBoundaries: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60] },
  });
  /** Adapter and lease length by hold. */
  const holds = new Map<number, { adapter: string; ttlMs: number }>();
  let timer: NodeJS.Timeout | undefined;
  let lookedAt = 0;

  function look(): void {
    const now = performance.now();
    const stalledMs = now - lookedAt - lookEveryMs;
    lookedAt = now;
    if (stalledMs <= 0) return;
    const late = [...holds.values()].filter(({ ttlMs }) => stalledMs > ttlMs / 3);
    for (const adapter of new Set(late.map((hold) => hold.adapter))) {
      stalls.record(stalledMs / 1_000, { [attributes.adapter]: adapter });
    }
  }

  function start(): void {
    // It ends at its own time: short holds, one after the other, would make and clear a timer each.
    timer = setInterval(() => {
      look();
      if (holds.size === 0) end();
    }, lookEveryMs).unref();
  }

  function end(): void {
    clearInterval(timer);
    timer = undefined;
  }

  function ended({ acquisition }: { acquisition: number }): void {
    // A stall may end with the hold itself, before the timer has its turn.
    if (holds.has(acquisition)) look();
    holds.delete(acquisition);
  }

  const stop = listen({
    grant: ({ acquisition, adapter, ttlMs, via }) => {
      if (via === 'reentry') return;
      // A stall that was over before the grant is none of this hold.
      if (holds.size === 0) lookedAt = performance.now();
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

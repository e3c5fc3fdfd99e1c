import type { LockEvent } from '@holdfast/lock-core';
import type { Attributes, Meter } from '@opentelemetry/api';
import { attributes } from './attributes.ts';
import { errorType } from './error-type.ts';
import { listen } from './events.ts';

/** Names, units and descriptions of the metrics: the dashboard and the README are checked against them. */
export const metricNames = {
  acquisitions: 'holdfast.lock.acquisitions',
  wait: 'holdfast.lock.wait.duration',
  hold: 'holdfast.lock.hold.duration',
  active: 'holdfast.lock.active_holds',
  lost: 'holdfast.lock.lost',
  renewals: 'holdfast.lock.renewals',
  reaped: 'holdfast.lock.reaped',
  warnings: 'holdfast.lock.warnings',
  stalls: 'holdfast.event_loop.stall.duration',
} as const;

// In seconds: from a hand-over inside the process to a job of an hour.
const boundaries = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 3_600];

/** Groups keys for metrics by key. Keep the groups few: each one creates time series of its own. */
export type KeyGroup = (key: string) => string | undefined;

/** Counts what the channels publish. Calling the result stops it. */
export function recordMetrics(meter: Meter, keyGroup: KeyGroup | undefined): () => void {
  const acquisitions = meter.createCounter(metricNames.acquisitions, {
    unit: '{acquisition}',
    description: 'Acquisitions that ended, by outcome.',
  });
  const wait = meter.createHistogram(metricNames.wait, {
    unit: 's',
    description: 'Time from the call until the lock was granted, or the caller gave up.',
    advice: { explicitBucketBoundaries: boundaries },
  });
  const hold = meter.createHistogram(metricNames.hold, {
    unit: 's',
    description: 'Time from the grant until the release or the loss.',
    advice: { explicitBucketBoundaries: boundaries },
  });
  const active = meter.createUpDownCounter(metricNames.active, {
    unit: '{hold}',
    description: 'Locks that this process holds now.',
  });
  const lost = meter.createCounter(metricNames.lost, {
    unit: '{hold}',
    description: 'Holds that ended before their release.',
  });
  const renewals = meter.createCounter(metricNames.renewals, {
    unit: '{renewal}',
    description: 'Renewals of leases, by outcome.',
  });
  const reaped = meter.createCounter(metricNames.reaped, {
    unit: '{acquisition}',
    description: 'Acquisitions without an answer that were cleaned up, by outcome.',
  });

  const warnings = meter.createCounter(metricNames.warnings, {
    unit: '{hold}',
    description:
      'Holds that were garbage-collected without a release, or for which their own process has waited for a whole lease.',
  });

  /** The current holds. A hold that began before is not counted down. */
  const holds = new Map<number, { since: number; of: Attributes }>();
  const about = ({ adapter, key }: LockEvent): Attributes => {
    const group = keyGroup?.(key);
    return group === undefined
      ? { [attributes.adapter]: adapter }
      : { [attributes.adapter]: adapter, [attributes.key]: group };
  };
  const ended = (acquisition: number, outcome: string, heldMs?: number): void => {
    const held = holds.get(acquisition);
    if (held === undefined) return;
    holds.delete(acquisition);
    active.add(-1, held.of);
    hold.record((heldMs ?? performance.now() - held.since) / 1_000, { ...held.of, [attributes.outcome]: outcome });
    if (outcome === 'lost') lost.add(1, held.of);
  };

  const stop = listen({
    grant: (event) => {
      const of = about(event);
      const outcome = { ...of, [attributes.outcome]: 'acquired' };
      acquisitions.add(1, { ...outcome, [attributes.via]: event.via });
      wait.record(event.waitedMs / 1_000, outcome);
      // A re-entry is another lock on the same hold.
      if (event.via === 'reentry') return;
      holds.set(event.acquisition, { since: performance.now(), of });
      active.add(1, of);
    },
    fail: (event) => {
      const outcome = { ...about(event), [attributes.outcome]: event.outcome };
      const type = event.outcome === 'error' ? { [attributes.errorType]: errorType(event.reason) } : {};
      acquisitions.add(1, { ...outcome, ...type });
      wait.record(event.waitedMs / 1_000, outcome);
    },
    renew: (event) => renewals.add(1, { ...about(event), [attributes.outcome]: event.outcome }),
    release: (event) => ended(event.acquisition, event.outcome, event.heldMs),
    lost: (event) => ended(event.acquisition, 'lost'),
    warning: (event) => warnings.add(1, { ...about(event), [attributes.warning]: event.warning }),
    reap: (event) => {
      if (event.outcome !== 'begun') reaped.add(1, { ...about(event), [attributes.outcome]: event.outcome });
    },
  });
  return () => {
    stop();
    for (const { of } of holds.values()) active.add(-1, of);
    holds.clear();
  };
}

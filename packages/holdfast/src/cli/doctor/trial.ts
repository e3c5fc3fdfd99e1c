import { randomBytes } from 'node:crypto';
import { systemClock } from '@holdfast/lock-core';
import { openLocks } from '../../open-locks.ts';
import { schemes } from '../../schemes.ts';
import { shownDuration } from '../durations.ts';
import { type Finding, warning } from './diagnosis.ts';
import { rounded } from './measure.ts';
import type { Target } from './target.ts';

/** What acquiring and releasing one lock showed. */
export interface Trial {
  readonly lockMs: number;
  readonly findings: readonly Finding[];
}

/** Acquires and releases a lock of its own, as an application would. Rejects as `openLocks` and `acquire` do. */
export async function tryLock({ text, url, options }: Target): Promise<Trial> {
  // The key of the fencing tokens outlives its lock, so the trial on Redis does without tokens. Their permissions are checked separately.
  const fencing = Object.hasOwn(schemes[url.scheme]!.options, 'fencing') ? { fencing: false } : {};
  await using locks = await openLocks({ adapter: text, ...fencing }, { backendTimeoutMs: 3_000 });
  const key = `holdfast-doctor-${randomBytes(8).toString('hex')}`;
  // The first acquisition opens connections and loads scripts.
  await (await locks.acquire(key, { waitMs: 3_000 })).release();
  const before = systemClock.now();
  await (await locks.acquire(key, { waitMs: 3_000 })).release();
  const lockMs = rounded(systemClock.now() - before);
  const ttlMs = Number(options.ttlMs ?? 30_000);
  const slow = warning(
    `Acquiring and releasing a lock takes ${shownDuration(lockMs)}, while a lease lasts only ${shownDuration(ttlMs)}.`,
    'A few slow answers in a row are enough to lose a lock.',
    'Use a longer ttl or a backend that is closer.',
  );
  return { lockMs, findings: lockMs > ttlMs / 20 ? [slow] : [] };
}

import { randomBytes } from 'node:crypto';
import { systemClock } from '@holdfast/lock-core';
import { openLocks } from '../../open-locks.ts';
import { shownDuration } from '../durations.ts';
import { type Finding, warning } from './diagnosis.ts';
import { rounded } from './measure.ts';
import type { Target } from './target.ts';

/** What taking one lock and giving it back showed. */
export interface Trial {
  readonly lockMs: number;
  readonly findings: readonly Finding[];
}

/** Takes a lock of its own and gives it back, as an application would. Rejects as `openLocks` and `acquire` do. */
export async function tryOut({ text, options }: Target): Promise<Trial> {
  await using locks = await openLocks(text, { backendTimeoutMs: 3_000 });
  const key = `holdfast-doctor-${randomBytes(8).toString('hex')}`;
  // The first one opens connections and loads scripts.
  await (await locks.acquire(key, { waitMs: 3_000 })).release();
  const before = systemClock.now();
  await (await locks.acquire(key, { waitMs: 3_000 })).release();
  const lockMs = rounded(systemClock.now() - before);
  const ttlMs = Number(options.ttlMs ?? 30_000);
  const slow = warning(
    `Taking a lock and giving it back takes ${shownDuration(lockMs)}, and a lease lasts ${shownDuration(ttlMs)}.`,
    'A few slow answers in a row are enough to lose a lock.',
    'Use a longer ttl, or a backend that is nearer.',
  );
  return { lockMs, findings: lockMs > ttlMs / 20 ? [slow] : [] };
}

import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Context } from '../context.ts';
import { longestLease } from '../key-ends.ts';

/** A lease that was promised: when the request was sent, when its answer came, and for how long it is certain. */
export interface Promised {
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly ttlMs: number;
  readonly validForMs: number;
}

/** Asks, and notes what was promised. */
export async function promised<T extends { validForMs: number }>(
  context: Context,
  ttlMs: number,
  ask: () => Promise<T>,
): Promise<Promised> {
  const sentAt = context.now();
  const { validForMs } = await ask();
  return { sentAt, answeredAt: context.now(), ttlMs, validForMs };
}

/** Fails unless `inspect` says that the hold lasts as long as was promised, and no longer than it may. */
export async function assertRemaining(
  context: Context,
  adapter: LockAdapter,
  key: string,
  how: string,
  lease: Promised,
): Promise<void> {
  const { granularityMs, maxOvershootMs } = context.harness.capabilities.ttl;
  const lookedAt = context.now();
  const info = await adapter.inspect!(key);
  const seenAt = context.now();
  const { sentAt, answeredAt, ttlMs, validForMs } = lease;
  if (info === undefined && seenAt > sentAt + validForMs) return;
  assert.ok(info, `A lease of ${ttlMs} ms, ${how}, is over after ${Math.round(seenAt - sentAt)} ms`);
  const { remainingMs } = info;
  assert.equal(typeof remainingMs, 'number', `inspect does not say how long the lease still lasts, but ${remainingMs}`);
  const least = sentAt + validForMs - seenAt - granularityMs;
  const most =
    answeredAt + longestLease(context.harness.capabilities, ttlMs) + maxOvershootMs - lookedAt + granularityMs;
  const told = `A lease of ${ttlMs} ms, ${how}, must have ${Math.round(least)} to ${Math.round(most)} ms left; inspect says ${remainingMs}`;
  assert.ok(remainingMs! <= most, told);
  context.assertNotEarly(least - remainingMs!, told);
}

/** The answer to the renewal of a hold that is still in effect. */
export function renewedOf(answer: Awaited<ReturnType<LockAdapter['renew']>>, by: string): { validForMs: number } {
  assert.equal(answer.status, 'renewed', `${by} answers "${answer.status}" for a hold that was granted a moment ago`);
  return answer as { validForMs: number };
}

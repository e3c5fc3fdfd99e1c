import assert from 'node:assert/strict';
import type { Locks, LocksOptions } from '@holdfast/lock-core';
import type { Context } from '../context.ts';
import { assertWorks } from './works-again.ts';

/** Options with a short time-out for a silent backend: it is enough for a case, and far shorter than a lease. */
export function impatient({ timing }: Context): LocksOptions & { backendTimeoutMs: number } {
  const backendTimeoutMs = Math.ceil(Math.min(timing.graceMs / 2, timing.longTtlMs / 4));
  return { backendTimeoutMs, attemptTimeoutMs: Math.ceil(backendTimeoutMs / 3) };
}

/** Fails unless what impatient locks ask for ends with LOCK_BACKEND, all of it and in time. */
export async function assertUnanswered(context: Context, ...asked: readonly Promise<unknown>[]): Promise<void> {
  const refused = Promise.all(asked.map((answer) => assert.rejects(answer, { code: 'LOCK_BACKEND' })));
  await context.soon('LOCK_BACKEND', refused, impatient(context).backendTimeoutMs + context.boundMs);
}

/** Asks for two keys, each in another way, while nothing is answered; gives the keys once both were given up. */
export async function askInVain(context: Context, locks: Locks): Promise<readonly string[]> {
  const keys = [context.key(), context.key()] as const;
  await assertUnanswered(context, locks.acquire(keys[0]), locks.tryAcquire(keys[1]));
  return keys;
}

/**
 * Fails unless a client that is answered again works, and nothing of what it had given up comes in later and stays: with
 * leases this long, nothing would end by itself.
 */
export async function assertNoOrphan(
  context: Context,
  locks: Locks,
  keys: readonly string[],
  why: string,
): Promise<void> {
  await assertWorks(context, locks);
  const stranger = await context.client();
  await context.sleep(context.timing.quietMs);
  for (const key of keys) {
    await context.eventually(`the key is free again: ${why}`, async () => !(await context.isHeld(stranger, key)));
    await context.assertFree(stranger, key, why);
  }
}

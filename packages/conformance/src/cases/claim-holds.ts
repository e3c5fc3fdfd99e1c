import assert from 'node:assert/strict';
import type { AcquireAttempt, Claim, LockAdapter } from '@holdfast/lock-core';
import type { Context, RawHold } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import type { Waiter } from './join-queue.ts';

export const exclusive: Claim = { mode: 'exclusive' };
export const shared: Claim = { mode: 'shared' };
export const permits = (count: number, limit: number): Claim => ({ mode: 'permits', permits: count, limit });

/** What a claim is for, in a word or two. */
export function kindOf(claim: Claim): string {
  return claim.mode === 'permits' ? `${claim.permits} of ${claim.limit} permits` : claim.mode;
}

/** What a claim asks for, with its article: a request for … */
export function nameOf(claim: Claim): string {
  if (claim.mode === 'permits') return kindOf(claim);
  return claim.mode === 'shared' ? 'a shared hold' : 'an exclusive hold';
}

/** What a claim was granted as, with its article: the renewal of … */
export const holdOf = (claim: Claim = exclusive): string =>
  claim.mode === 'permits' ? `a hold of ${kindOf(claim)}` : nameOf(claim);

/** The same at the beginning of a sentence. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A hold, and the client that has it. */
export interface Held extends RawHold {
  readonly adapter: LockAdapter;
}

/** What is needed to ask about a hold. */
export type Claimed = Pick<Held, 'key' | 'owner' | 'claim' | 'adapter'>;

/** Takes what can be granted now. */
export async function takeClaim(
  context: Context,
  adapter: LockAdapter,
  key: string,
  claim: Claim,
  more: Partial<AcquireAttempt> = {},
): Promise<Held> {
  return { adapter, ...(await context.take(adapter, key, { ...more, claim })) };
}

/** Fails unless a request by another owner is answered `busy`. */
export async function assertClaimBusy(
  context: Context,
  adapter: LockAdapter,
  key: string,
  claim: Claim,
  why: string,
): Promise<void> {
  const stranger = context.attempt(key, { claim });
  const { status } = await adapter.tryAcquire(stranger);
  if (status === 'granted') await adapter.release(stranger);
  assert.equal(status, 'busy', `A request for ${nameOf(claim)} must be told "busy": ${why}`);
}

/** Fails unless another owner is granted this within `graceMs`; releases it. */
export async function assertClaimFree(
  context: Context,
  adapter: LockAdapter,
  key: string,
  claim: Claim,
  why: string,
): Promise<void> {
  const stranger = context.attempt(key, { claim });
  await context.eventually(
    `a request for ${nameOf(claim)} is granted: ${why}`,
    async () => (await adapter.tryAcquire(stranger)).status === 'granted',
    context.timing.graceMs,
  );
  await adapter.release(stranger);
}

/** Fails unless the hold is still in effect. */
export async function assertStands(context: Context, hold: Claimed, why: string): Promise<void> {
  const { status } = await hold.adapter.renew(hold, context.timing.longTtlMs);
  assert.equal(status, 'renewed', `${capital(holdOf(hold.claim))} must stand: ${why}`);
}

/** Fails unless the hold is over for its owner, who then can neither renew nor release it. */
export async function assertGone(context: Context, hold: Held, why: string): Promise<void> {
  const { status } = await hold.adapter.renew(hold, context.timing.longTtlMs);
  assert.equal(status, 'lost', `The renewal of ${holdOf(hold.claim)} must be "lost": ${why}`);
  await assertRelease(hold.adapter.release(hold), 'not-held');
}

/** Gives back what a waiter was granted. */
export const releaseWaiter = ({ adapter, attempt }: Waiter): Promise<void> => assertRelease(adapter.release(attempt));

/** Fails when one of these waiters was granted, after a time in which that would have shown. */
export async function assertWaiting(context: Context, waiters: readonly Waiter[], why: string): Promise<void> {
  await context.sleep(context.timing.quietMs);
  for (const { attempt, grantedAt } of waiters)
    assert.equal(grantedAt, undefined, `A waiter for ${nameOf(attempt.claim ?? exclusive)} must wait: ${why}`);
}

/** Waits until all of them are granted. */
export async function allGranted(context: Context, what: string, waiters: readonly Waiter[]): Promise<void> {
  await context.soon(what, Promise.all(waiters.map(({ granted }) => granted)));
}

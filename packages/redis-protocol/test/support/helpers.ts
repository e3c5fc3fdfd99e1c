import { randomBytes } from 'node:crypto';
import type { AcquireAttempt, Granted, LockAdapter } from '@holdfast/lock-core';
import { expect } from 'vitest';

/** An owner value as lock-core makes them: new for every hold. */
export const newOwner = (): string => randomBytes(16).toString('hex');

/** A lock name that no other test uses. */
export const newName = (label = 'lock'): string => `${label}-${randomBytes(6).toString('hex')}`;

export function attempt(key: string, more: Partial<AcquireAttempt> = {}): AcquireAttempt {
  return { key, owner: newOwner(), ttlMs: 10_000, tokens: 1, signal: new AbortController().signal, ...more };
}

/** An attempt that must be granted. */
export async function grant(adapter: LockAdapter, request: AcquireAttempt): Promise<Granted> {
  const outcome = await adapter.tryAcquire(request);
  if (outcome.status !== 'granted') throw new Error(`not granted: ${JSON.stringify(outcome)}`);
  return outcome;
}

/** Polls until `look` gives something; the bound is generous, since the machine may be busy. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const end = performance.now() + 20_000;
  while (performance.now() < end) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(10);
  }
  throw new Error(`never happened: ${what}`);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What rejects a promise with a `LockError` of this code. */
export const lockError = (code: string, more: object = {}): unknown =>
  expect.objectContaining({ name: 'LockError', code, ...more });

/** Waiters that give up before their subscription stands, over connections that are only being made. */
export async function leaveEarly(adapter: LockAdapter): Promise<void> {
  for (let i = 0; i < 6; i++) {
    const abort = new AbortController();
    const hint = adapter.whenFree?.(newName(), abort.signal);
    await sleep(i % 3);
    abort.abort();
    await hint?.catch(() => {});
  }
}

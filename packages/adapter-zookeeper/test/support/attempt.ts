import { randomBytes } from 'node:crypto';
import type { AcquireAttempt } from '@holdfast/lock-core';

/** A request for a lock by a new owner, who waits for ever. */
export const attempt = (key: string): AcquireAttempt => ({
  key,
  owner: randomBytes(16).toString('hex'),
  ttlMs: 10_000,
  tokens: 1,
  signal: new AbortController().signal,
});

import { type Granted, LockError } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import type { Place, Waiting } from '../src/place.ts';
import { askFor } from '../src/place-claims.ts';
import { countUnanswered, ownersInDoubt } from '../src/requests.ts';

/** What becomes of a place whose claim fails like this: the error with which it ends, or that it stays. */
async function afterClaim(error: Error, sentAgain = false): Promise<unknown> {
  const client = {
    ...{ name: 'fake', ready: true, cluster: false, resends: 0 },
    async call() {
      if (sentAgain) client.resends += 1;
      throw error;
    },
  };
  const state = {
    ...{ client, settings: { fencing: false, waitReplicas: 0 }, unanswered: countUnanswered(), publish: 'PUBLISH' },
    ...{ sentTwice: ownersInDoubt(), allowed: new Set('x') },
  };
  // Closed, so that no timer is planned.
  const waiting = { state, byOwner: new Map(), lines: new Map(), closed: true } as unknown as Waiting;
  return new Promise((resolve) => {
    const place = {
      keys: { lock: 'lock:k', queue: 'queue:k', places: 'places:k', fence: 'fence:k' },
      ...{ ticket: '100000000000001', channel: 'lock:k', asking: 0, done: false, answeredAt: 0, calledAt: 0 },
      attempt: { key: 'k', owner: 'o', ttlMs: 20_000, tokens: 1, signal: new AbortController().signal },
      settle: (_: Granted | undefined, reason: unknown) => resolve(reason),
      set beatAt(_: number) {
        resolve('stays');
      },
    };
    askFor(waiting, place as unknown as Place);
  });
}

it('H64: a claim that may still arrive ends its place, so that nobody is granted the lock and releases it before', async () => {
  const broken = new Error('Socket closed unexpectedly');
  expect(await afterClaim(broken)).toBe(broken);
  expect(await afterClaim(new Error('Command timed out'))).toBeInstanceOf(Error);
  const readOnly = new Error("READONLY You can't write against a read only replica.");
  expect(await afterClaim(readOnly, true)).toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
});

it('a claim that did nothing leaves the place where it is', async () => {
  expect(await afterClaim(new LockError('LOCK_BACKEND', 'not connected', { notSent: true }))).toBe('stays');
  for (const answer of ["READONLY You can't write against a read only replica.", 'OOM command not allowed', 'LOADING'])
    expect(await afterClaim(new Error(answer)), answer).toBe('stays');
});

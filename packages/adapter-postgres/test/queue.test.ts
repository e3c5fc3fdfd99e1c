import { type Granted, LockError } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import type { Asked } from '../src/answers.ts';
import type { Backend } from '../src/backend.ts';
import type { Driver } from '../src/drivers/driver.ts';
import { type Ask, Queue } from '../src/queue.ts';
import { attempt } from './support.ts';

const backend = { statements: {}, step: async () => '-' } as unknown as Backend;

/** What comes of a place whose second request fails like this, and whose third one is granted. */
async function afterRequest(error: object, isSent: boolean): Promise<Granted> {
  let asked = 0;
  const ask: Ask = async (_attempt, _place, onSend) => {
    asked += 1;
    if (asked === 1) return { status: 'queued', waitMs: 1 };
    if (asked > 2) return { status: 'granted', token: 7n, tokens: 1 };
    if (isSent) onSend?.();
    throw error;
  };
  const queue = new Queue(backend, {} as Driver, 'id', ask, async () => 'not-held');
  try {
    return await queue.enqueue(attempt('k'), new AbortController().signal);
  } finally {
    queue.close();
  }
}

it('H64: a request that may still arrive ends its place, so that nobody is granted the key and releases it before', async () => {
  const timedOut = new Error('Query read timeout');
  await expect(afterRequest(timedOut, true)).rejects.toBe(timedOut);
});

it('a request that did nothing does not cost the place', async () => {
  const granted = { status: 'granted', fencingToken: 7n };
  expect(await afterRequest(new Error('timeout exceeded when trying to connect'), false)).toMatchObject(granted);
  const undone = Object.assign(new Error('canceling statement due to lock timeout'), {
    code: '55P03',
    severity: 'ERROR',
  });
  expect(await afterRequest(undone, true)).toMatchObject(granted);
});

it('a request that is refused for good gives its place up, and says why', async () => {
  const refused = new LockError('LOCK_BACKEND', 'permission denied (42501)', { retryable: false });
  const left: string[] = [];
  let asked = 0;
  const ask: Ask = async () => {
    asked += 1;
    if (asked > 1) throw refused;
    return { status: 'queued', waitMs: 1 };
  };
  for (const leave of [async () => 'not-held', () => Promise.reject(new Error('refused as well'))]) {
    asked = 0;
    const queue = new Queue(backend, {} as Driver, 'id', ask, (key) => {
      left.push(key);
      return leave();
    });
    await expect(queue.enqueue(attempt('k'), new AbortController().signal)).rejects.toBe(refused);
    queue.close();
  }
  expect(left).toEqual(['k', 'k']);
});

it('closing ends a wait whose first request is on its way', async () => {
  let answer = (_: Asked): void => {};
  const ask: Ask = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const queue = new Queue(backend, {} as Driver, 'id', ask, async () => 'not-held');
  const waiting = queue.enqueue(attempt('k'), new AbortController().signal);
  queue.close();
  answer({ status: 'queued', waitMs: undefined });
  await expect(waiting).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
});

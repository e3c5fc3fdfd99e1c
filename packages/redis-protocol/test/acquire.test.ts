import type { AcquireAttempt } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { answering } from './support/answering.ts';

const attempt = (signal = new AbortController().signal): AcquireAttempt => ({
  ...{ key: 'k', owner: 'me', ttlMs: 30_011, tokens: 1, claim: { mode: 'exclusive' }, signal },
});
const usual = ['3', 'lock:k', 'fence:queue:{lock:k}', 'fence:{lock:k}', 'me', '30011'];
const all = [
  ...['4', 'lock:k', 'fence:queue:{lock:k}', 'fence:places:{lock:k}', 'fence:{lock:k}', 'me', '30011'],
  ...['1', '', 'PUBLISH'],
];

it('an acquire names all keys at first, which tries the rights, and then only where others wait', async () => {
  const { adapter, sent } = answering(
    () => '7 1',
    () => '8 1',
    () => 'more',
    () => '9 1',
  );
  await adapter.tryAcquire(attempt());
  await adapter.tryAcquire(attempt());
  expect(await adapter.tryAcquire(attempt())).toMatchObject({ status: 'granted', fencingToken: 9n });
  expect(sent).toEqual([[...all, 'x', '1', '0', '1'], usual, usual, all]);
});

it('H64: nothing more is asked for an owner that has gone when the server asks for all keys', async () => {
  const { adapter, sent } = answering(
    () => '7 1',
    () => 'more',
  );
  const gone = new AbortController();
  await adapter.tryAcquire(attempt());
  const pending = adapter.tryAcquire(attempt(gone.signal));
  gone.abort();
  expect(await pending).toEqual({ status: 'busy' });
  expect(sent).toHaveLength(2);
});

it('H14: what was sent twice may have been granted before the server asked for all keys', async () => {
  const { adapter, sent } = answering(
    () => '7 1',
    (client) => {
      client.resends += 1;
      return 'more';
    },
  );
  await adapter.tryAcquire(attempt());
  await expect(adapter.tryAcquire(attempt())).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: true });
  expect(sent).toHaveLength(2);
});

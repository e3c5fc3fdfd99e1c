import assert from 'node:assert/strict';
import { isLockError, type Lock } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { recorded } from '../recording.ts';
import { assertRelease } from './assert-release.ts';

/** Giving up leaves nothing behind. */
export const abortCases: readonly Case[] = [
  {
    id: 'LK-0074',
    level: 'MUST',
    rule: 'C-72',
    title: 'aborted waiting rejects promptly with the signal’s own reason',
    hazards: [42],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      await one.acquire(key);
      const reason = new RangeError('enough');
      for (const locks of [one, two]) {
        const abort = new AbortController();
        const acquiring = locks.acquire(key, { signal: abort.signal });
        const waiting = context.begin(
          assert.rejects(
            acquiring,
            (error) => error === reason,
            'Aborted waiting must reject with the signal’s own reason',
          ),
        );
        await context.sleep(context.timing.pollMs);
        abort.abort(reason);
        await context.soon('the aborted acquire rejects', waiting, context.timing.graceMs);
      }
    },
  },
  {
    id: 'LK-0075',
    level: 'MUST',
    rule: 'C-73',
    title: 'with an aborted signal nothing is sent',
    hazards: [11],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      const reason = new RangeError('enough');
      const options = { signal: AbortSignal.abort(reason) };
      await assert.rejects(locks.acquire(context.key(), options), (error) => error === reason);
      await assert.rejects(locks.tryAcquire(context.key(), options), (error) => error === reason);
      assert.deepEqual(commands, [], 'A request was sent, although its signal was aborted before');
    },
  },
  {
    id: 'LK-0076',
    level: 'MUST',
    rule: 'C-74',
    title: 'waiters that timed out or were aborted leave nothing: after the release the key is free',
    hazards: [11, 42, 43],
    async run(context) {
      const [one, two, three] = [await context.locks(), await context.locks(), await context.client()];
      const key = context.key();
      const lock = await one.acquire(key);
      const abort = new AbortController();
      const { pollMs } = context.timing;
      // Of a backend that is slow to answer, the impatient hear that it did not: they leave as little.
      const impatient = (error: unknown) => isLockError(error, 'LOCK_TIMEOUT') || isLockError(error, 'LOCK_BACKEND');
      const gone = Array.from({ length: 20 }, (_, i) =>
        context.begin(
          assert.rejects(
            [one, two][i % 2]!.acquire(key, i < 10 ? { waitMs: pollMs } : { signal: abort.signal }),
            i < 10 ? impatient : { name: 'AbortError' },
          ),
        ),
      );
      await context.sleep(pollMs);
      abort.abort();
      await context.soon('all 20 waiters gave up', Promise.all(gone));
      await assertRelease(lock.release());
      await context.assertFree(three, key, 'all its waiters gave up, and its holder released it');
    },
  },
  {
    id: 'LK-0077',
    level: 'MUST',
    rule: 'C-70',
    title: 'when the first waiter is aborted, the second is served at the release',
    hazards: [40, 42],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const lock = await one.acquire(key);
      const abort = new AbortController();
      const first = context.begin(assert.rejects(two.acquire(key, { signal: abort.signal }), { name: 'AbortError' }));
      const second = context.begin(two.using(key, () => 'served'));
      await context.sleep(context.timing.pollMs);
      abort.abort();
      await context.soon('the first waiter leaves', first, context.timing.graceMs);
      await lock.release();
      assert.equal(await context.soon('the second waiter is served', second, context.timing.graceMs), 'served');
    },
  },
  {
    id: 'LK-0078',
    level: 'MUST',
    long: true,
    rule: 'C-75',
    title: 'an abort that races the grant gives either a lock or the reason, and the key is free in the end',
    hazards: [11, 42],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const stranger = await context.client();
      const rounds = Array.from({ length: 12 }, async (_, round) => {
        const key = context.key();
        const lock = await one.acquire(key);
        const abort = new AbortController();
        const waiting = two.acquire(key, { signal: abort.signal }).then(
          (granted: Lock) => granted.release(),
          (error: Error) => assert.equal(error.name, 'AbortError'),
        );
        const releasing = lock.release();
        // From before the grant to after it.
        if (round % 4 > 0) await context.sleep(round % 4);
        abort.abort();
        await Promise.all([releasing, context.soon('the acquire settles', waiting)]);
        await context.assertFree(stranger, key, 'its holder released it, and its waiter was aborted or released it');
      });
      await Promise.all(rounds);
    },
  },
];

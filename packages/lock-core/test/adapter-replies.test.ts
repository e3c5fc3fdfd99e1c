import { expect, it } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import { createLocks, isLockError, type LockAdapter } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { follow } from './support/outcome.ts';

// Written apart, since a literal with `then` is taken for a mistake.
const thenName: string = 'then';
const rejectNothing = (_: unknown, reject: (reason: unknown) => void): void => reject(undefined);

const nothings: unknown[] = [undefined, null, 0, 'granted', 'OK', [], {}, { status: 'GRANTED' }, { status: undefined }];
const badGrants: unknown[] = [
  { status: 'granted' },
  { status: 'granted', validForMs: '30000', fencingToken: 1n },
  { status: 'granted', validForMs: Number.NaN, fencingToken: 1n },
  { status: 'granted', validForMs: Number.POSITIVE_INFINITY, fencingToken: 1n },
  { status: 'granted', validForMs: 30_000, fencingToken: '7' },
  { status: 'granted', validForMs: 30_000, fencingToken: 7 },
  { status: 'granted', validForMs: 30_000 },
  { status: 'granted', validForMs: 30_000, fencingToken: 1n, tokens: 0 },
  { status: 'granted', validForMs: 30_000, fencingToken: 1n, tokens: 1.5 },
  { status: 'granted', validForMs: 30_000, fencingToken: 1n, tokens: '65' },
];

function setUp(fairness: 'fifo' | 'none', members: Record<string, unknown>) {
  const clock = manualClock();
  const inner = memoryAdapter({ clock, fairness });
  const adapter = { ...inner, ...members } as LockAdapter;
  return { clock, inner, locks: createLocks(adapter, { clock, backendTimeoutMs: 3_000 }) };
}

for (const fairness of ['fifo', 'none'] as const) {
  it(`H114: a reply to acquire of the wrong type is an error that names the adapter, never a grant (${fairness})`, async () => {
    for (const reply of [...nothings, ...badGrants]) {
      const answer = () => Promise.resolve(reply);
      const { clock, locks } = setUp(fairness, { tryAcquire: answer, ...(fairness === 'fifo' && { enqueue: answer }) });
      const calls = [
        follow(locks.tryAcquire('k')),
        follow(locks.acquire('k')),
        follow(locks.acquire('k', { waitMs: 50 })),
      ];
      await clock.advance(60);
      for (const { error } of calls) {
        expect(error).toMatchObject({ code: 'LOCK_BACKEND', retryable: false, key: 'k' });
        expect((error as Error).message).toContain('memory answered');
      }
      const closing = follow(locks.close());
      await clock.advance(10_000);
      expect(closing.state).toBe('resolved');
    }
  });
}

it('a reply of the wrong type may have taken the lock: what it left behind is released', async () => {
  const { clock, inner, locks } = setUp('none', {
    tryAcquire: async (attempt: Parameters<LockAdapter['tryAcquire']>[0]) => {
      await inner.tryAcquire(attempt);
      return 'OK';
    },
  });
  const trying = follow(locks.tryAcquire('k'));
  await clock.advance(10);
  expect(trying.state).toBe('rejected');
  expect(await inner.inspect?.('k')).toBe(undefined);
});

it('thenables, synchronous throws and rejections without a reason fail the call and nothing else', async () => {
  const ways: (() => unknown)[] = [
    () => ({ [thenName]: rejectNothing }),
    () => Promise.reject(undefined),
    () => Promise.reject(null),
    () => {
      throw new Error('synchronous');
    },
  ];
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  for (const way of ways) {
    const all = Object.fromEntries(
      ['tryAcquire', 'renew', 'renewMany', 'release', 'inspect', 'keys', 'forceRelease'].map((name) => [name, way]),
    );
    const { clock, locks } = setUp('none', all);
    const list = async () => {
      for await (const _ of locks.list());
    };
    const pending: Promise<unknown>[] = [
      locks.acquire('k'),
      locks.tryAcquire('k'),
      locks.inspect('k'),
      locks.forceRelease('k'),
      list(),
    ];
    const calls = pending.map((call) => follow(call));
    await clock.advance(10_000);
    for (const { error } of calls) expect(isLockError(error, 'LOCK_BACKEND')).toBe(true);
    const closing = follow(locks.close());
    await clock.advance(10_000);
    expect(closing.state).toBe('resolved');
    const held = setUp('none', { renew: way, release: way });
    const lock = await held.locks.acquire('k');
    const renewing = follow(lock.renew());
    await held.clock.advance(40_000);
    expect(renewing.error).toMatchObject({ code: 'LOCK_BACKEND' });
    expect(lock.state).toBe('lost');
    const closingHeld = follow(held.locks.close());
    await held.clock.advance(10_000);
    expect(closingHeld.state).toBe('resolved');
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

it('renew, release, inspect, keys and forceRelease with replies of the wrong type', async () => {
  for (const reply of [
    undefined,
    null,
    1,
    'renewed',
    {},
    { status: 'renewed' },
    { status: 'renewed', validForMs: '1' },
  ]) {
    const { clock, locks } = setUp('none', { renew: async () => reply, release: async () => reply });
    const lock = await locks.acquire('k');
    const renewing = follow(lock.renew());
    await clock.advance(4_000);
    expect(renewing.error).toMatchObject({ code: 'LOCK_BACKEND' });
    expect(lock.state).toBe('held');
    expect(await lock.release()).toBe('released');
  }
  for (const reply of [
    null,
    1,
    'a',
    {},
    { owner: 1 },
    { owner: 'a', fencingToken: 1 },
    { owner: 'a', remainingMs: '5' },
    { owner: 'a', mode: 'write' },
    { owner: 'a', mode: 'shared', holders: 0 },
    { owner: 'a', mode: 'permits', limit: '5' },
  ]) {
    const { locks } = setUp('none', { inspect: async () => reply });
    await expect(locks.inspect('k')).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
  }
  for (const reply of [undefined, 1, {}, { keys: 'a' }, { keys: [1], next: undefined }, { keys: [], next: 0 }]) {
    const { locks } = setUp('none', { keys: async () => reply });
    await expect(locks.list()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ retryable: false });
  }
  const { inner, locks } = setUp('none', { forceRelease: async () => 1 });
  await inner.tryAcquire({ key: 'k', owner: 'o', ttlMs: 1_000, tokens: 1, signal: new AbortController().signal });
  await expect(locks.forceRelease('k')).rejects.toMatchObject({ code: 'LOCK_BACKEND', retryable: false });
});

it('no value of retryAfterMs makes a waiter hang or spin', async () => {
  for (const retryAfterMs of [undefined, 0, -1, 0.001, Number.NaN, Number.POSITIVE_INFINITY, 1e300, '5', null, {}]) {
    let asked = 0;
    const { clock, locks } = setUp('none', {
      whenFree: undefined,
      tryAcquire: async () => {
        asked += 1;
        return { status: 'busy', retryAfterMs };
      },
    });
    const waiting = follow(locks.acquire('k', { waitMs: 1_500 }));
    await clock.advance(1_600);
    expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(asked, String(retryAfterMs)).toBeGreaterThan(4);
    expect(asked, String(retryAfterMs)).toBeLessThanOrEqual(100);
  }
});

it('hints without end do not keep the process from everything else', async () => {
  const { clock, locks } = setUp('none', { tryAcquire: async () => ({ status: 'busy' }), whenFree: async () => {} });
  const waiting = follow(locks.acquire('k', { waitMs: 500 }));
  await clock.advance(600);
  expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT' });
});

it('a queue that never confirms a place is LOCK_BACKEND after backendTimeoutMs, whatever waitMs', async () => {
  const never = () => new Promise(() => {});
  for (const waitMs of [5_000, 60_000, Number.POSITIVE_INFINITY]) {
    for (const crossProcess of [true, false]) {
      const members = {
        enqueue: never,
        release: never,
        tryAcquire: crossProcess ? never : async () => ({ status: 'busy' }),
      };
      const { capabilities } = memoryAdapter();
      const { clock, locks } = setUp('fifo', { ...members, capabilities: { ...capabilities, crossProcess } });
      const waiting = follow(locks.acquire('k', { waitMs }));
      await clock.advance(2_900);
      expect(waiting.state).toBe('pending');
      await clock.advance(200);
      expect(waiting.error).toMatchObject({ code: 'LOCK_BACKEND' });
    }
  }
});

import { describe, expect, it } from 'vitest';
import { createLocks, isLockError, LockError } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf } from './support/outcome.ts';

const clock = manualClock();
const adapter = faultyAdapter(clock);
const locks = createLocks(adapter, { clock });
const refused = async (call: Promise<unknown>) => expect(await codeOf(call)).toBe('LOCK_INVALID_ARGUMENT');

describe('arguments are refused before anything is sent', () => {
  for (const ttlMs of [Number.NaN, 0, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, '1000', null]) {
    it(`H8: ttlMs ${ttlMs}`, async () => {
      await refused(locks.acquire('k', { ttlMs: ttlMs as number }));
      await refused(locks.tryAcquire('k', { ttlMs: ttlMs as number }));
      await refused(locks.using('k', { ttlMs: ttlMs as number }, () => 1));
      expect(() => createLocks(adapter, { ttlMs: ttlMs as number })).toThrow(LockError);
    });
  }

  const wrong: [string, Record<string, unknown>][] = [
    ['waitMs', { waitMs: Number.NaN }],
    ['waitMs', { waitMs: -1 }],
    ['maxHoldMs', { maxHoldMs: 0 }],
    ['maxHoldMs', { maxHoldMs: Number.NaN }],
    ['autoRenew', { autoRenew: 'yes' }],
    ['reentrant', { reentrant: 1 }],
    ['signal', { signal: {} }],
    ['owner', { owner: 'me' }],
    ['ttl', { ttl: 5_000 }],
  ];
  for (const [name, options] of wrong) {
    it(`${JSON.stringify(options)} names the option`, async () => {
      await refused(locks.acquire('k', options));
      await expect(locks.acquire('k', options)).rejects.toThrow(name);
    });
  }

  const keys: [string, unknown][] = [
    ['empty', ''],
    ['1,025 bytes', 'x'.repeat(1_025)],
    ['1,026 bytes in 342 characters', '漢'.repeat(342)],
    ['half a surrogate pair', 'a\ud800b'],
    ['no string', 42],
    ['null', null],
  ];
  for (const [what, key] of keys) {
    it(`H86: a key: ${what}`, async () => {
      await refused(locks.acquire(key as string));
      await refused(locks.tryAcquire(key as string));
      await refused(locks.inspect(key as string));
      await refused(locks.forceRelease(key as string));
    });
  }

  it('nothing was sent', () => expect(adapter.calls).toEqual([]));

  it('options of createLocks', () => {
    for (const options of [
      { backendTimeoutMs: 0 },
      { attemptTimeoutMs: Number.NaN },
      { localRun: { count: -1 } },
      { localRun: { count: 1.5 } },
      { localRun: { count: 1, ms: 0 } },
      { retries: 3 },
    ]) {
      expect(() => createLocks(adapter, options)).toThrow(LockError);
    }
  });
});

it('H86: keys of 1 to 1,024 bytes are taken', async () => {
  for (const key of ['x', 'x'.repeat(1_024), '漢'.repeat(341), '{}', '🔒', 'a\nb', ' ', '/', '..']) {
    const lock = await locks.acquire(key);
    expect(lock.key).toBe(key);
    await lock.release();
  }
});

it('errors have a code, a key, whether it pays to try again, and are told apart by any copy', () => {
  const error = new LockError('LOCK_TIMEOUT', 'busy', { key: 'k', cause: 1 });
  expect(error).toMatchObject({ name: 'LockError', code: 'LOCK_TIMEOUT', key: 'k', cause: 1, retryable: true });
  expect(new LockError('LOCK_CLOSED', '').retryable).toBe(false);
  expect(isLockError(error)).toBe(true);
  expect(isLockError(error, 'LOCK_TIMEOUT')).toBe(true);
  expect(isLockError(error, 'LOCK_LOST')).toBe(false);
  expect(isLockError(new Error('x'))).toBe(false);
  expect(isLockError(undefined)).toBe(false);
  const ofAnotherCopy = Object.assign(new Error('lost'), { name: 'LockError', code: 'LOCK_LOST' });
  expect(isLockError(ofAnotherCopy, 'LOCK_LOST')).toBe(true);
});

describe('options of the wrong shape', () => {
  // What the abort-controller package and mocks give.
  const halfSignals = [{ addEventListener() {}, aborted: false }, {}, 'signal', new AbortController(), null];
  for (const signal of halfSignals) {
    it(`a signal that is none is refused (${typeof signal})`, async () => {
      await refused(locks.acquire('k', { signal: signal as never }));
      await refused(locks.tryAcquire('k', { signal: signal as never }));
    });
  }

  it('a clock, a localRun and capabilities that are none are refused when the locks are made', () => {
    const { ttl, ...capabilities } = adapter.capabilities;
    const wrong: [object, object][] = [
      [adapter, { clock: {} }],
      [adapter, { clock: { now: () => 0 } }],
      [adapter, { clock: null }],
      [adapter, { localRun: { count: 1, maxMs: 5 } }],
      [{ ...adapter, capabilities: { ...capabilities, ttl: {} } }, {}],
      [{ ...adapter, capabilities: { ...capabilities, ttl: { ...ttl, minMs: '1' } } }, {}],
    ];
    for (const [given, options] of wrong) {
      expect(() => createLocks(given as never, options)).toThrow(
        expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }),
      );
    }
  });
});

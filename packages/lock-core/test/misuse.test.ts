import { AsyncLocalStorage } from 'node:async_hooks';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { memoryAdapter } from '../../adapter-memory/src/index.ts';
import { createLocks, isLockError, LockError, type LockOwner, type Locks } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf } from './support/outcome.ts';

const thrown = (call: () => unknown): unknown => {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('misuse is refused at once', () => {
  const memory = memoryAdapter();
  const wrong: [string, unknown, RegExp][] = [
    ['a URL', 'redis://127.0.0.1', /openLocks/],
    ['a URL object', new URL('redis://127.0.0.1'), /openLocks/],
    ['undefined', undefined, /undefined/],
    ['null', null, /null/],
    ['a symbol', Symbol('s'), /Symbol/],
    ['a promise', Promise.resolve(memory), /await/],
    ['a function', memoryAdapter, /call it/],
    ['a Locks', createLocks(memory), /not a Locks/],
    ['a client', { get() {}, set() {}, sendCommand() {} }, /tryAcquire/],
    ['a method that is missing', { ...memory, renew: undefined }, /renew/],
    ['a method that is no function', { ...memory, inspect: true }, /inspect/],
    ['capabilities that are no object', { ...memory, capabilities: 'all' }, /capabilities/],
    ['a name that is none', { ...memory, name: '' }, /name/],
    [
      'a batch of hand-overs that is no number',
      { ...memory, localRunCount: '64' },
      /localRunCount of the adapter.*"64"/,
    ],
    ['a batch without end', { ...memory, localRunCount: Number.POSITIVE_INFINITY }, /localRunCount.*Infinity/],
    ['a flag that is none', { ...memory, capabilities: { ...memory.capabilities, permits: 'yes' } }, /permits/],
  ];
  for (const [what, adapter, message] of wrong) {
    it(`createLocks: ${what}`, () => {
      const error = thrown(() => createLocks(adapter as never));
      expect(error).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', message: expect.stringMatching(message) });
    });
  }

  const calls: [
    string,
    (locks: Record<string, (...given: unknown[]) => Promise<unknown>>) => Promise<unknown>,
    RegExp,
  ][] = [
    ['using without a function', (locks) => locks.using!('k'), /function/],
    ['using with options alone', (locks) => locks.using!('k', { waitMs: 1 }), /function/],
    ['using with something else', (locks) => locks.using!('k', {}, 'body'), /function/],
    ['options after the body', (locks) => locks.using!('k', () => 1, { waitMs: 1 }), /options before/],
    ['options before the key', (locks) => locks.acquire!({ waitMs: 1 }, 'k'), /key comes first/],
    ['a function for options', (locks) => locks.acquire!('k', () => 1), /using/],
    ['a number for options', (locks) => locks.tryAcquire!('k', 5_000), /object/],
    ['a promise for options', (locks) => locks.tryAcquire!('k', Promise.resolve({ waitMs: 1 })), /await it first/],
    ['a URL for options', (locks) => locks.tryAcquire!('k', new URL('redis://127.0.0.1')), /not a URL/],
    ['a Map for options', (locks) => locks.tryAcquire!('k', new Map([['waitMs', 1]])), /not a Map/],
    ['a Date for options', (locks) => locks.acquireAll!(['k'], new Date()), /not a Date/],
    ['a function for a time', (locks) => locks.acquire!('k', { ttlMs: () => 5_000 }), /not a function/],
    ['a function for a key', (locks) => locks.acquire!(() => 'k'), /not a function/],
    ['an array for options', (locks) => locks.tryAcquire!('k', []), /array/],
    ['a typo', (locks) => locks.acquire!('k', { waitms: 1 }), /did you mean waitMs/],
    ['another typo', (locks) => locks.acquire!('k', { tllMs: 1 }), /did you mean ttlMs/],
    ['a short form', (locks) => locks.acquire!('k', { ttl: 1 }), /did you mean ttlMs/],
    ['an owner that is none', (locks) => locks.acquire!('k', { owner: new AsyncLocalStorage() }), /createOwner/],
    ['an owner with a label that is none', async (locks) => locks.createOwner!({ label: 'a' }), /label/],
    [
      'a run of no function',
      async (locks) => (locks.createOwner!() as unknown as LockOwner).run('a' as never),
      /function/,
    ],
    ['nothing alike', (locks) => locks.acquire!('k', { retries: 1 }), /the options are ttlMs/],
  ];
  for (const [what, call, message] of calls) {
    it(`${what}: LOCK_INVALID_ARGUMENT, and nothing is sent`, async () => {
      const adapter = faultyAdapter(manualClock());
      const locks = createLocks(adapter) as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>;
      await expect(call(locks)).rejects.toMatchObject({
        code: 'LOCK_INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      });
      expect(adapter.calls).toEqual([]);
    });
  }

  it('a pattern that is no string', async () => {
    const list = createLocks(memory)
      .list(5 as never)
      [Symbol.asyncIterator]();
    await expect(list.next()).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });
});

describe('use after the release', () => {
  it('is LOCK_RELEASED, not retryable, for the last lock and for a nested one', async () => {
    const locks = createLocks(memoryAdapter());
    const owner = locks.createOwner();
    const [outer, inner] = [await locks.acquire('k', { owner }), await locks.acquire('k', { owner })];
    for (const lock of [inner, outer]) {
      await lock.release();
      expect(lock.state).toBe('released');
      expect(thrown(() => lock.assertHeld())).toMatchObject({ code: 'LOCK_RELEASED', retryable: false, key: 'k' });
      await expect(lock.renew()).rejects.toMatchObject({ code: 'LOCK_RELEASED' });
      expect(lock.remainingMs).toBe(0);
    }
  });

  it('a nested lock that was released stays released when the hold is lost', async () => {
    const locks = createLocks(memoryAdapter());
    const owner = locks.createOwner();
    const [outer, inner] = [await locks.acquire('k', { owner }), await locks.acquire('k', { owner })];
    await inner.release();
    await locks.forceRelease('k');
    expect([outer.state, inner.state]).toEqual(['lost', 'released']);
  });
});

describe('errors', () => {
  /** Fails on purpose, in a function with a name to look for. */
  const failures: [string, (locks: Locks) => Promise<unknown>][] = [
    ['LOCK_TIMEOUT', (locks) => locks.acquire('busy', { waitMs: 20 })],
    ['LOCK_TIMEOUT', (locks) => locks.acquire('busy', { waitMs: 0 })],
    ['LOCK_TIMEOUT', (locks) => locks.using('busy', { waitMs: 20 }, () => 1)],
    ['LOCK_BACKEND', (locks) => locks.acquire('silent', { waitMs: 20 })],
    ['LOCK_BACKEND', (locks) => locks.tryAcquire('silent')],
    ['LOCK_FOREIGN_KEY', (locks) => locks.tryAcquire('foreign')],
    ['LOCK_BACKEND', (locks) => locks.inspect('silent')],
    ['LOCK_FOREIGN_KEY', (locks) => locks.inspect('foreign')],
    ['LOCK_BACKEND', (locks) => locks.forceRelease('silent')],
    ['LOCK_INVALID_ARGUMENT', (locks) => locks.acquire('')],
    [
      'LOCK_RELEASED',
      async (locks) => {
        const lock = await locks.acquire('free');
        await lock.release();
        await lock.renew();
      },
    ],
    [
      'LOCK_LOST',
      async (locks) => {
        const lock = await locks.acquire('free');
        await locks.forceRelease('free');
        lock.assertHeld();
      },
    ],
  ];
  for (const fairness of ['fifo', 'none'] as const) {
    it(`the stack of each names the line of the caller (${fairness})`, async () => {
      const inner = memoryAdapter({ fairness });
      const foreign = new LockError('LOCK_FOREIGN_KEY', 'a list is stored there', { key: 'foreign' });
      const through = <T>(key: string, call: () => T): T | Promise<never> => {
        if (key === 'silent') return new Promise<never>(() => {});
        return key === 'foreign' ? Promise.reject(foreign) : call();
      };
      const locks = createLocks(
        {
          ...inner,
          tryAcquire: (attempt) => through(attempt.key, () => inner.tryAcquire(attempt)),
          inspect: (key) => through(key, () => inner.inspect!(key)),
        },
        { attemptTimeoutMs: 10, backendTimeoutMs: 30 },
      );
      await locks.acquire('busy');
      for (const [code, fail] of failures) {
        async function billInvoice(): Promise<void> {
          await fail(locks);
        }
        const error = await billInvoice().catch((reason: unknown) => reason);
        expect(error, String(fail)).toMatchObject({ code });
        expect((error as Error).stack, String(fail)).toMatch(/billInvoice|misuse\.test/);
      }
      await locks.close();
    });
  }

  it('the reason of a signal is passed on untouched', async () => {
    const locks = createLocks(memoryAdapter());
    await locks.acquire('k');
    const reason = Object.freeze(new Error('enough'));
    const controller = new AbortController();
    const waiting = locks.acquire('k', { signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it('are recognised from another realm and from another copy, and keep their message in JSON', () => {
    const foreign = runInNewContext("Object.assign(new Error('lost'), { name: 'LockError', code: 'LOCK_LOST' })");
    expect(isLockError(foreign, 'LOCK_LOST')).toBe(true);
    expect(isLockError({ name: 'LockError', code: 'LOCK_LOST' })).toBe(false);
    const json = JSON.parse(JSON.stringify(new LockError('LOCK_TIMEOUT', 'busy', { key: 'k', cause: new Error('x') })));
    expect(json).toEqual({ name: 'LockError', code: 'LOCK_TIMEOUT', message: 'busy', key: 'k', retryable: true });
  });

  it('durations have no noise of floating-point numbers', async () => {
    const clock = manualClock(1_000.1);
    const locks = createLocks(faultyAdapter(clock), { clock, ttlMs: 600 });
    const lock = await locks.acquire('k', { maxHoldMs: 331 });
    const { signal } = lock;
    await clock.advance(400.7);
    expect(lock.state).toBe('lost');
    expect((signal.reason as Error).message).toContain('331 ms');
    expect(await codeOf(locks.acquire('k', { ttlMs: 0.1 + 0.2 }))).toBe('LOCK_INVALID_ARGUMENT');
  });
});

it('C-72: a reason that cannot even be looked at is passed on as it is', async () => {
  const { proxy: reason, revoke } = Proxy.revocable(new Error('gone'), {});
  revoke();
  expect(isLockError(reason)).toBe(false);
  const locks = createLocks(memoryAdapter());
  const held = await locks.acquire('k');
  const controller = new AbortController();
  const waiting = locks.acquire('k', { signal: controller.signal }).catch((error: unknown) => error === reason);
  controller.abort(reason);
  expect(await waiting).toBe(true);
  await held.release();
});

describe('what a log shows', () => {
  it('JSON.stringify and util.inspect of a lock show key, state, token and remaining time', async () => {
    const clock = manualClock();
    const locks = createLocks(memoryAdapter({ clock }), { clock, ttlMs: 3_000 });
    const lock = await locks.acquire('invoice:42');
    const described = { key: 'invoice:42', state: 'held', fencingToken: String(lock.fencingToken), remainingMs: 2_968 };
    expect(JSON.parse(JSON.stringify(lock))).toEqual(described);
    for (const word of ['invoice:42', 'held', described.fencingToken, '2968']) expect(inspect(lock)).toContain(word);
    const info = await locks.inspect('invoice:42');
    expect(JSON.parse(JSON.stringify(info))).toMatchObject({ key: 'invoice:42', fencingToken: described.fencingToken });
    expect(info?.fencingToken).toBe(lock.fencingToken);
    for await (const listed of locks.list()) expect(JSON.stringify(listed)).toContain(described.fencingToken);
  });

  it('inspect and list tell the token of the hold that stands, after a local hand-over too', async () => {
    const locks = createLocks(memoryAdapter({ fairness: 'none' }));
    const first = await locks.acquire('k');
    const waiting = [locks.acquire('k'), locks.acquire('k'), locks.acquire('k')];
    await first.release();
    await (await waiting[0]!).release();
    for (const next of waiting.slice(1)) {
      const lock = await next;
      expect((await locks.inspect('k'))?.fencingToken).toBe(lock.fencingToken);
      for await (const info of locks.list()) expect(info.fencingToken).toBe(lock.fencingToken);
      await lock.release();
    }
  });

  it('H128: a foreign key in the way does not end a listing', async () => {
    const inner = memoryAdapter();
    const locks = createLocks({
      ...inner,
      keys: async () => ({ keys: ['a', 'foreign', 'b'], next: undefined }),
      inspect: async (key) => {
        if (key === 'foreign') throw new LockError('LOCK_FOREIGN_KEY', 'a list is stored there', { key });
        return inner.inspect!(key);
      },
    });
    await locks.acquire('a');
    await locks.acquire('b');
    const keys: string[] = [];
    for await (const { key } of locks.list()) keys.push(key);
    expect(keys).toEqual(['a', 'b']);
  });

  it('a pattern with many stars takes no seconds', async () => {
    const locks = createLocks(memoryAdapter());
    await locks.acquire(':'.repeat(1_000));
    const startedAt = performance.now();
    for (const pattern of ['*:*:*:*x', `${'*:'.repeat(200)}x`, `${'*?'.repeat(300)}x`, `${'*'.repeat(900)}x`]) {
      for await (const info of locks.list(pattern)) expect(info).toBe(undefined);
    }
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

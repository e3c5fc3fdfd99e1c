import { describe, expect, it } from 'vitest';
import { createLocks, type Lock } from '../src/index.ts';
import { codeOf, follow } from './support/outcome.ts';
import { type TwoClients, twoClients } from './support/two-clients.ts';

const setUp = (options: Parameters<typeof twoClients>[0] = {}) => twoClients(options, 'fifo');
const count = (adapter: TwoClients['adapter'], operation: string) =>
  adapter.calls.filter((call) => call.operation === operation).length;

/** The error that the call throws before it gives a promise. */
function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('a semaphore', () => {
  it('lets in as many as there are permits, over all processes, and the next when one is released', async () => {
    const { clock, locks, other } = setUp();
    const [here, there] = [locks.semaphore('s', 3), other.semaphore('s', 3)];
    const held = [await here.acquire(), await there.acquire(), await here.acquire()];
    expect(held.map(({ mode }) => mode)).toEqual(['permits', 'permits', 'permits']);
    expect(new Set(held.map(({ fencingToken }) => fencingToken)).size).toBe(3);
    expect(await here.tryAcquire()).toBe(undefined);
    expect(await there.tryAcquire()).toBe(undefined);
    const next = follow(there.acquire());
    await clock.advance(1_000);
    expect(next.state).toBe('pending');
    await held[0]!.release();
    await clock.advance(1);
    expect(next.state).toBe('resolved');
    expect(await here.inspect()).toMatchObject({ mode: 'permits', holders: 3, limit: 3 });
  });

  it('H94: the permits of a holder that crashed come back after its lease', async () => {
    const { clock, adapter, locks, other } = setUp({ ttlMs: 3_000 });
    const lock = await locks.semaphore('s', 2).acquire({ permits: 2 });
    adapter.otherwise('renew', 'request lost');
    adapter.otherwise('release', 'request lost');
    const next = follow(other.semaphore('s', 2).acquire());
    await clock.advance(2_970);
    expect([lock.state, next.state]).toEqual(['lost', 'pending']);
    await clock.advance(50);
    expect(next.state).toBe('resolved');
  });

  it('H100: the release of an expired permit frees nobody else', async () => {
    const { clock, locks, other } = setUp({ ttlMs: 3_000 });
    const lock = await locks.semaphore('s', 1).acquire({ autoRenew: false });
    const next = follow(other.semaphore('s', 1).acquire());
    await clock.advance(3_100);
    expect(await lock.release()).toBe('lost');
    await clock.advance(10);
    expect(next.value?.state).toBe('held');
    expect(await locks.semaphore('s', 1).tryAcquire()).toBe(undefined);
  });

  it('H95: each release wakes the next one, in one process and in several', async () => {
    const { clock, locks, other } = setUp();
    let inside = 0;
    let most = 0;
    const work = (client: typeof locks) =>
      client.semaphore('s', 4).using(async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, 5));
        inside -= 1;
      });
    const all = Promise.all(Array.from({ length: 100 }, (_, i) => work(i % 2 ? locks : other)));
    await clock.advance(400);
    await all;
    expect(most).toBe(4);
    expect(await other.inspect('s')).toBe(undefined);
  });

  it('a large request is not passed by smaller ones, here or elsewhere', async () => {
    const { clock, locks, other } = setUp();
    const [here, there] = [locks.semaphore('s', 3), other.semaphore('s', 3)];
    const held = [await here.acquire(), await here.acquire()];
    const large = follow(here.acquire({ permits: 3 }));
    await clock.advance(1);
    const small = [follow(here.acquire()), follow(there.acquire())];
    expect(await there.tryAcquire()).toBe(undefined);
    expect(await here.tryAcquire()).toBe(undefined);
    await held[0]!.release();
    await clock.advance(100);
    expect([large.state, ...small.map(({ state }) => state)]).toEqual(['pending', 'pending', 'pending']);
    await held[1]!.release();
    await clock.advance(1);
    expect([large.state, ...small.map(({ state }) => state)]).toEqual(['resolved', 'pending', 'pending']);
    await large.value?.release();
    await clock.advance(1);
    expect(small.map(({ state }) => state)).toEqual(['resolved', 'resolved']);
  });

  it('a permit passes on to the next waiter of the process that asks for as many, with the next token', async () => {
    const { clock, adapter, locks } = setUp();
    const pool = locks.semaphore('s', 2);
    const held = [await pool.acquire(), await pool.acquire()];
    const waiting = Array.from({ length: 6 }, () => follow(pool.acquire()));
    await clock.advance(1);
    const tokens = new Set(held.map(({ fencingToken }) => fencingToken));
    let last: Lock = held[0]!;
    // The first two were alone, and have no tokens to pass on.
    await last.release();
    await clock.advance(1);
    last = waiting[0]!.value!;
    const sent = adapter.calls.length;
    for (const next of waiting.slice(1)) {
      tokens.add(last.fencingToken);
      await last.release();
      await clock.advance(0);
      last = next.value!;
    }
    tokens.add(last.fencingToken);
    expect(tokens.size).toBe(8);
    expect(adapter.calls.slice(sent).filter(({ operation }) => operation !== 'enqueue')).toEqual([]);
  });

  it('a process has one place in the queue at a time, and each of its waiters gets its turn', async () => {
    const { clock, adapter, locks, other } = setUp();
    const held = await other.semaphore('s', 2).acquire({ permits: 2 });
    const pool = locks.semaphore('s', 2);
    const waiting = Array.from({ length: 10 }, () => follow(pool.acquire()));
    await clock.advance(10);
    expect(count(adapter, 'enqueue')).toBe(1);
    expect((await other.inspect('s'))?.waiters).toBe(1);
    await held.release();
    await clock.advance(1);
    expect(waiting.filter(({ state }) => state === 'resolved').length).toBe(2);
  });

  it('maxHoldMs, loss and release are those of each permit alone', async () => {
    const { clock, locks } = setUp();
    const pool = locks.semaphore('s', 5);
    const [limited, other] = [await pool.acquire({ maxHoldMs: 500 }), await pool.acquire()];
    await clock.advance(501);
    expect([limited.state, limited.signal.aborted, other.state]).toEqual(['lost', true, 'held']);
    expect(await other.release()).toBe('released');
  });

  it('close and a forced release end all of them', async () => {
    const { locks, other } = setUp();
    const held = [await locks.semaphore('s', 5).acquire(), await locks.semaphore('s', 5).acquire({ permits: 3 })];
    expect(await locks.forceRelease('s')).toBe(true);
    expect(held.map(({ state }) => state)).toEqual(['lost', 'lost']);
    const more = [await locks.semaphore('s', 2).acquire(), await locks.semaphore('s', 2).acquire()];
    await locks.close();
    expect(more.map(({ state }) => state)).toEqual(['lost', 'lost']);
    expect(await other.inspect('s')).toBe(undefined);
  });

  it('using gives back what its body returns, with options or without', async () => {
    const { locks } = setUp();
    const pool = locks.semaphore('s', 2);
    expect(await pool.using((lock) => lock.key)).toBe('s');
    expect(await pool.using({ permits: 2 }, () => 5)).toBe(5);
    await expect(
      pool.using(() => {
        throw new Error('mine');
      }),
    ).rejects.toThrow('mine');
    expect(await pool.inspect()).toBe(undefined);
  });

  it('permits are not reentrant; a body that would wait for its own is refused at once', async () => {
    const { locks, other } = setUp();
    const pool = locks.semaphore('s', 3);
    await pool.using({ permits: 2 }, async () => {
      expect(await pool.using((lock) => lock.state)).toBe('held');
      expect((await other.inspect('s'))?.holders).toBe(1);
      expect(await codeOf(pool.acquire({ permits: 2 }))).toBe('LOCK_SELF_DEADLOCK');
    });
    expect(await other.inspect('s')).toBe(undefined);
  });

  it('on a backend that is polled, too', async () => {
    const { clock, locks, other } = twoClients({}, 'fifo', ['enqueue']);
    const held = await other.semaphore('s', 2).acquire({ permits: 2 });
    const pool = locks.semaphore('s', 2);
    const waiting = Array.from({ length: 5 }, () => follow(pool.acquire()));
    await clock.advance(50);
    await held.release();
    for (let served = 0; served < 5; served += 1) {
      await clock.advance(2_000);
      const next = waiting.find(({ state, value }) => state === 'resolved' && value?.state === 'held');
      await next?.value?.release();
    }
    expect(waiting.every(({ state }) => state === 'resolved')).toBe(true);
  });
});

describe('bad input', () => {
  for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 2 ** 31, '3', undefined]) {
    it(`a limit of ${String(limit)}`, () => {
      const { locks } = setUp();
      expect(thrown(() => locks.semaphore('s', limit as number))).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    });
  }

  for (const permits of [0, -1, 1.5, Number.NaN, 4, 2 ** 53, '1']) {
    it(`${String(permits)} permits of 3`, async () => {
      const { adapter, locks } = setUp();
      const error = await locks
        .semaphore('s', 3)
        .acquire({ permits: permits as number })
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', message: expect.stringContaining('3') });
      expect(adapter.calls).toEqual([]);
    });
  }

  it('a key, options and a body that are none', async () => {
    const { locks } = setUp();
    expect(thrown(() => locks.semaphore('', 1))).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    const pool = locks.semaphore('s', 1);
    for (const options of [{ mode: 'shared' }, { reentrant: true }, { permit: 1 }, 5]) {
      expect(await codeOf(pool.acquire(options as never))).toBe('LOCK_INVALID_ARGUMENT');
    }
    expect(await codeOf(pool.using(undefined as never))).toBe('LOCK_INVALID_ARGUMENT');
    expect(await codeOf(pool.using((() => 1) as never, {} as never))).toBe('LOCK_INVALID_ARGUMENT');
  });

  it('H99: another limit while the key is in use is refused before anything is sent, and names both', async () => {
    const { adapter, locks, other } = setUp();
    const lock = await locks.semaphore('s', 3).acquire();
    const sent = adapter.calls.length;
    const here = await locks
      .semaphore('s', 4)
      .acquire()
      .catch((reason: unknown) => reason);
    const there = await other
      .semaphore('s', 5)
      .acquire()
      .catch((reason: unknown) => reason);
    expect(here).toMatchObject({
      code: 'LOCK_INVALID_ARGUMENT',
      message: expect.stringMatching(/3 permits.*4 permits/),
    });
    expect(there).toMatchObject({
      code: 'LOCK_INVALID_ARGUMENT',
      retryable: false,
      message: expect.stringMatching(/3 permits.*5 permits/),
    });
    expect(adapter.calls.length).toBe(sent);
    await lock.release();
    expect((await other.semaphore('s', 5).acquire()).state).toBe('held');
  });

  it('a key that is used in two ways is refused while it is in use, here and elsewhere', async () => {
    const { locks, other } = setUp();
    const lock = await locks.acquire('k');
    expect(await codeOf(locks.semaphore('k', 1).acquire())).toBe('LOCK_INVALID_ARGUMENT');
    expect(await codeOf(other.semaphore('k', 1).tryAcquire())).toBe('LOCK_INVALID_ARGUMENT');
    await lock.release();
    const permit = await other.semaphore('k', 1).acquire();
    expect(await codeOf(locks.acquire('k'))).toBe('LOCK_INVALID_ARGUMENT');
    expect(await codeOf(other.acquire('k', { mode: 'shared' }))).toBe('LOCK_INVALID_ARGUMENT');
    await permit.release();
    expect((await locks.acquire('k')).state).toBe('held');
  });

  it('an adapter without semaphores: LOCK_UNSUPPORTED, which names it', () => {
    const { locks, adapter } = twoClients({}, 'none');
    expect(thrown(() => locks.semaphore('s', 1))).toMatchObject({
      code: 'LOCK_UNSUPPORTED',
      message: expect.stringContaining('faulty'),
    });
    const { permits: _, ...older } = adapter.capabilities;
    expect(thrown(() => createLocks({ ...adapter, capabilities: older }).semaphore('s', 1))).toMatchObject({
      code: 'LOCK_UNSUPPORTED',
    });
  });
});

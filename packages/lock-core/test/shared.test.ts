import { describe, expect, it } from 'vitest';
import { codeOf, follow } from './support/outcome.ts';
import { type TwoClients, twoClients } from './support/two-clients.ts';

const shared = { mode: 'shared' } as const;
const setUp = (options: Parameters<typeof twoClients>[0] = {}) => twoClients(options, 'fifo');
const count = (adapter: TwoClients['adapter'], operation: string) =>
  adapter.calls.filter((call) => call.operation === operation).length;

describe('readers and writers', () => {
  it('readers share the key, in one process and over several, and a writer has it alone', async () => {
    const { clock, locks, other } = setUp();
    const readers = [
      await locks.acquire('k', shared),
      await locks.acquire('k', shared),
      await other.acquire('k', shared),
    ];
    expect(readers.map(({ mode }) => mode)).toEqual(['shared', 'shared', 'shared']);
    const writer = follow(other.acquire('k'));
    await clock.advance(1_000);
    expect(writer.state).toBe('pending');
    for (const reader of readers) expect(await reader.release()).toBe('released');
    await clock.advance(1);
    expect(writer.value?.mode).toBe('exclusive');
    expect(await locks.tryAcquire('k', shared)).toBe(undefined);
  });

  it('readers of one process have one hold of the backend; the last one releases it', async () => {
    const { clock, adapter, locks, other } = setUp();
    const readers = await Promise.all([1, 2, 3].map(() => locks.acquire('k', shared)));
    expect((await other.inspect('k'))?.holders).toBe(1);
    await readers[0]!.release();
    await readers[2]!.release();
    expect([readers[0]!.state, readers[1]!.state]).toEqual(['released', 'held']);
    expect(count(adapter, 'release')).toBe(0);
    await readers[1]!.release();
    await clock.advance(1);
    expect(await other.inspect('k')).toBe(undefined);
  });

  it('1,000 readers of one process behind a writer are admitted together, with at most 20 commands', async () => {
    const { clock, adapter, locks, other } = setUp();
    const writer = await other.acquire('k');
    const readers = Array.from({ length: 1_000 }, () => follow(locks.acquire('k', shared)));
    await clock.advance(10);
    await writer.release();
    await clock.advance(1);
    expect(readers.every(({ state }) => state === 'resolved')).toBe(true);
    expect(adapter.calls.length).toBeLessThanOrEqual(20);
    await Promise.all(readers.map(({ value }) => value?.release()));
    expect(adapter.calls.length).toBeLessThanOrEqual(20);
    expect(await other.inspect('k')).toBe(undefined);
  });

  it('H91: readers that come without end do not keep a writer of another process out', async () => {
    const { clock, locks, other } = setUp();
    let stop = false;
    const read = async (): Promise<void> => {
      while (!stop) {
        const lock = await locks.acquire('k', shared);
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, 20));
        await lock.release();
      }
    };
    const readers = [read()];
    await clock.advance(7);
    readers.push(read());
    await clock.advance(7);
    readers.push(read());
    await clock.advance(100);
    const writer = follow(other.acquire('k'));
    await clock.advance(100);
    expect(writer.state).toBe('resolved');
    stop = true;
    await writer.value?.release();
    await clock.advance(100);
    await Promise.all(readers);
  });

  it('H91, H92: within a process, writers and readers are served in the order in which they came', async () => {
    const { clock, locks } = setUp();
    const order: string[] = [];
    const held = await locks.acquire('k');
    const enter = (name: string, options = {}) =>
      locks.using('k', options, async () => {
        order.push(name);
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, 10));
      });
    const all = [
      enter('r1', shared),
      enter('r2', shared),
      enter('w1'),
      enter('r3', shared),
      enter('w2'),
      enter('r4', shared),
    ];
    await held.release();
    await clock.advance(1);
    expect(order).toEqual(['r1', 'r2']);
    await clock.advance(100);
    await Promise.all(all);
    expect(order).toEqual(['r1', 'r2', 'w1', 'r3', 'w2', 'r4']);
  });

  it('a reader that comes within localRun.ms joins without a command, a later one takes a turn of its own', async () => {
    const { clock, adapter, locks } = setUp({ localRun: { count: 64, ms: 50 } });
    await locks.acquire('k', shared);
    await clock.advance(49);
    await locks.acquire('k', shared);
    expect(adapter.calls.length).toBe(1);
    await clock.advance(1);
    await locks.acquire('k', shared);
    expect(adapter.calls.length).toBe(2);
    expect((await locks.inspect('k'))?.holders).toBe(2);
  });

  it('localRun.count 0: every reader has a hold of its own', async () => {
    const { locks } = setUp({ localRun: { count: 0 } });
    await Promise.all([1, 2, 3].map(() => locks.acquire('k', shared)));
    expect((await locks.inspect('k'))?.holders).toBe(3);
  });

  it('tryAcquire: shared beside shared, nothing beside a writer, and no reader past a writer that waits', async () => {
    const { clock, adapter, locks, other } = setUp();
    await locks.acquire('k', shared);
    expect(await locks.tryAcquire('k')).toBe(undefined);
    expect(await other.tryAcquire('k')).toBe(undefined);
    expect((await locks.tryAcquire('k', shared))?.state).toBe('held');
    const writer = follow(locks.acquire('k'));
    await clock.advance(1);
    const sent = adapter.calls.length;
    expect(await locks.tryAcquire('k', shared)).toBe(undefined);
    expect(adapter.calls.length).toBe(sent);
    expect(await other.tryAcquire('k', shared)).toBe(undefined);
    expect(writer.state).toBe('pending');
  });

  it('a place passes from a reader that leaves to a reader, and not to a writer', async () => {
    const { clock, adapter, locks, other } = setUp();
    await other.acquire('k');
    const abort = [new AbortController(), new AbortController()];
    const first = follow(locks.acquire('k', { ...shared, signal: abort[0]!.signal }));
    const second = follow(locks.acquire('k', { ...shared, signal: abort[1]!.signal }));
    const writer = follow(locks.acquire('k'));
    await clock.advance(1);
    abort[0]!.abort();
    await clock.advance(1);
    expect(count(adapter, 'enqueue')).toBe(1);
    abort[1]!.abort();
    await clock.advance(1);
    expect(count(adapter, 'enqueue')).toBe(2);
    expect([first.state, second.state, writer.state]).toEqual(['rejected', 'rejected', 'pending']);
  });

  it('an adapter without shared locks: LOCK_UNSUPPORTED, which names it, and nothing is sent', async () => {
    const { adapter, locks } = twoClients({}, 'none');
    await expect(locks.acquire('k', shared)).rejects.toMatchObject({
      code: 'LOCK_UNSUPPORTED',
      message: expect.stringContaining('faulty'),
    });
    expect(await codeOf(locks.tryAcquire('k', shared))).toBe('LOCK_UNSUPPORTED');
    expect(adapter.calls).toEqual([]);
  });

  it('a mode that does not exist is refused', async () => {
    const { locks } = setUp();
    expect(await codeOf(locks.acquire('k', { mode: 'read' as never }))).toBe('LOCK_INVALID_ARGUMENT');
  });

  it('on a backend that is polled, too: readers join, and the writer of the process waits for them', async () => {
    const { clock, locks } = twoClients({}, 'fifo', ['enqueue']);
    const readers = [await locks.acquire('k', shared), await locks.acquire('k', shared)];
    const writer = follow(locks.acquire('k'));
    const late = follow(locks.acquire('k', shared));
    await clock.advance(100);
    expect([writer.state, late.state]).toEqual(['pending', 'pending']);
    for (const reader of readers) await reader.release();
    await clock.advance(10);
    expect([writer.state, late.state]).toEqual(['resolved', 'pending']);
    await writer.value?.release();
    await clock.advance(10);
    expect(late.state).toBe('resolved');
  });
});

describe('the lease of readers', () => {
  it('is the longest that any of them asked for, and is renewed while one of them wants it', async () => {
    const { clock, locks, other } = setUp({ ttlMs: 3_000 });
    await locks.acquire('k', shared);
    const long = await locks.acquire('k', { ...shared, ttlMs: 60_000 });
    await clock.advance(5);
    expect((await other.inspect('k'))?.remainingMs).toBeGreaterThan(50_000);
    expect(long.remainingMs).toBeGreaterThan(50_000);
    await clock.advance(200_000);
    expect(long.state).toBe('held');
  });

  it('H93: a reader that is not renewed ends at its time, however long others keep the lease', async () => {
    const { clock, locks } = setUp({ ttlMs: 3_000 });
    const renewed = await locks.acquire('k', shared);
    const ends = await locks.acquire('k', { ...shared, autoRenew: false });
    expect(ends.remainingMs).toBeLessThanOrEqual(3_000);
    await clock.advance(2_900);
    expect(ends.state).toBe('held');
    await clock.advance(200);
    expect([ends.state, ends.signal.aborted, renewed.state]).toEqual(['lost', true, 'held']);
    expect(await ends.release()).toBe('lost');
    expect(await renewed.release()).toBe('released');
  });

  it('a renew of one reader prolongs its own part, and shortens that of nobody else', async () => {
    const { clock, locks, other } = setUp({ ttlMs: 3_000 });
    const renewed = await locks.acquire('k', shared);
    const ends = await locks.acquire('k', { ...shared, autoRenew: false });
    await clock.advance(2_000);
    await ends.renew(2_000);
    expect(ends.remainingMs).toBeGreaterThan(1_900);
    await clock.advance(1_900);
    expect(ends.state).toBe('held');
    await renewed.renew(500);
    expect((await other.inspect('k'))?.remainingMs).toBeGreaterThan(2_500);
    await clock.advance(200);
    expect(ends.state).toBe('lost');
  });

  it('maxHoldMs ends one reader and not the others; the last one frees the key', async () => {
    const { clock, locks, other } = setUp({ ttlMs: 3_000 });
    const limited = await locks.acquire('k', { ...shared, maxHoldMs: 1_000 });
    const free = await locks.acquire('k', shared);
    await clock.advance(1_001);
    expect([limited.state, free.state]).toEqual(['lost', 'held']);
    await expect(limited.renew()).rejects.toMatchObject({
      code: 'LOCK_LOST',
      message: expect.stringMatching(/maxHoldMs/),
    });
    const last = await locks.acquire('j', { ...shared, maxHoldMs: 1_000 });
    await clock.advance(1_005);
    expect(last.state).toBe('lost');
    expect(await other.inspect('j')).toBe(undefined);
  });

  it('a loss is a loss for all of them, and they are told before a writer is let in', async () => {
    const { clock, adapter, locks, other } = setUp({ ttlMs: 3_000 });
    const readers = await Promise.all([1, 2, 3].map(() => locks.acquire('k', shared)));
    const told = readers.map(({ signal }) => signal);
    const writer = follow(other.acquire('k'));
    adapter.otherwise('renew', 'request lost');
    adapter.otherwise('release', 'request lost');
    await clock.advance(2_970);
    expect([told.map(({ aborted }) => aborted), writer.state]).toEqual([[true, true, true], 'pending']);
    await clock.advance(100);
    expect(writer.state).toBe('resolved');
  });

  it('after a stall a reader that is not renewed knows of its end before any timer fires', async () => {
    const { clock, locks } = setUp({ ttlMs: 3_000 });
    await locks.acquire('k', { ...shared, ttlMs: 20_000 });
    const ends = await locks.acquire('k', { ...shared, autoRenew: false });
    clock.stall(3_100);
    expect(ends.state).toBe('lost');
  });

  it('close and a forced release end every reader', async () => {
    const { locks, other } = setUp();
    const first = [
      await locks.acquire('k', shared),
      await locks.acquire('k', shared),
      await other.acquire('k', shared),
    ];
    expect(await locks.forceRelease('k')).toBe(true);
    expect(first.slice(0, 2).map(({ state }) => state)).toEqual(['lost', 'lost']);
    expect(await other.inspect('k')).toBe(undefined);
    const second = [await locks.acquire('j', shared), await locks.acquire('j', shared)];
    await locks.close();
    expect(second.map(({ state }) => state)).toEqual(['lost', 'lost']);
    expect(await other.inspect('j')).toBe(undefined);
  });

  it('a forced release of one owner ID leaves the other holders alone', async () => {
    const { clock, adapter, locks, other } = setUp({ localRun: { count: 0 } });
    const theirs = await other.acquire('k', shared);
    const mine = await locks.acquire('k', shared);
    // The backend shows the earliest holder, and this is the other one.
    const ownerId = adapter.calls.at(-1)!.owner;
    expect(await other.forceRelease('k', 'nobody')).toBe(false);
    expect(await other.forceRelease('k', ownerId)).toBe(true);
    await clock.advance(11_000);
    expect([mine.state, theirs.state]).toEqual(['lost', 'held']);
  });
});

import type { AcquireAttempt, Claim, Granted, LockAdapter } from '@holdfast/lock-core';
import { manualClock } from '@holdfast/lock-core/testing';
import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../src/index.ts';

const never = new AbortController().signal;
const shared: Claim = { mode: 'shared' };
const permits = (count: number, limit: number): Claim => ({ mode: 'permits', permits: count, limit });

const attempt = (owner: string, claim?: Claim, more: Partial<AcquireAttempt> = {}): AcquireAttempt => ({
  key: 'k',
  owner,
  ttlMs: 1_000,
  tokens: 1,
  signal: never,
  claim,
  ...more,
});

function setUp() {
  const clock = manualClock();
  const adapter = memoryAdapter({ store: memoryStore(), clock });
  const granted: string[] = [];
  const enqueue = (owner: string, claim?: Claim, signal = never): Promise<Granted> => {
    const waiting = adapter.enqueue!(attempt(owner, claim), signal);
    waiting.then(
      () => granted.push(owner),
      () => {},
    );
    return waiting;
  };
  const settled = () => clock.advance(0);
  return { clock, adapter, granted, enqueue, settled };
}

const ask = async (adapter: LockAdapter, owner: string, claim?: Claim, more?: Partial<AcquireAttempt>) =>
  (await adapter.tryAcquire(attempt(owner, claim, more))).status;

describe('the grant rule', () => {
  it('shared beside shared, exclusive alone, permits up to the limit', async () => {
    const { adapter } = setUp();
    expect(await ask(adapter, 'r1', shared)).toBe('granted');
    expect(await ask(adapter, 'r2', shared)).toBe('granted');
    expect(await ask(adapter, 'w')).toBe('busy');
    for (const [owner, count, status] of [
      ['p1', 2, 'granted'],
      ['p2', 3, 'busy'],
      ['p3', 1, 'granted'],
      ['p4', 1, 'busy'],
    ] as const) {
      expect(await ask(adapter, owner, permits(count, 3), { key: 'pool' })).toBe(status);
    }
  });

  it('H91, H92: it grants from the head of the queue, and stops at the first that is not compatible', async () => {
    const { adapter, granted, enqueue, settled } = setUp();
    await adapter.tryAcquire(attempt('w0'));
    for (const owner of ['r1', 'r2']) void enqueue(owner, shared);
    void enqueue('w1');
    for (const owner of ['r3', 'r4']) void enqueue(owner, shared);
    await adapter.release({ key: 'k', owner: 'w0' });
    await settled();
    expect(granted).toEqual(['r1', 'r2']);
    expect(await ask(adapter, 'r5', shared)).toBe('busy');
    await adapter.release({ key: 'k', owner: 'r1' });
    await settled();
    expect(granted).toEqual(['r1', 'r2']);
    await adapter.release({ key: 'k', owner: 'r2' });
    await settled();
    expect(granted).toEqual(['r1', 'r2', 'w1']);
    await adapter.release({ key: 'k', owner: 'w1' });
    await settled();
    expect(granted).toEqual(['r1', 'r2', 'w1', 'r3', 'r4']);
    expect(await adapter.inspect!('k')).toMatchObject({ owner: 'r3', mode: 'shared', holders: 2, waiters: 0 });
  });

  it('a large request at the head holds back smaller ones behind it', async () => {
    const { adapter, granted, enqueue, settled } = setUp();
    await adapter.tryAcquire(attempt('a', permits(1, 3)));
    await adapter.tryAcquire(attempt('b', permits(1, 3)));
    void enqueue('large', permits(3, 3));
    void enqueue('small', permits(1, 3));
    await adapter.release({ key: 'k', owner: 'a' });
    await settled();
    expect(granted).toEqual([]);
    await adapter.release({ key: 'k', owner: 'b' });
    await settled();
    expect(granted).toEqual(['large']);
  });

  it('H103: who leaves the head of the queue lets in those behind it', async () => {
    const { adapter, granted, enqueue, settled } = setUp();
    await adapter.tryAcquire(attempt('r1', shared));
    const abort = new AbortController();
    const writer = enqueue('w', undefined, abort.signal);
    void enqueue('r2', shared);
    await settled();
    expect(granted).toEqual([]);
    abort.abort(new Error('enough'));
    await expect(writer).rejects.toThrow('enough');
    await settled();
    expect(granted).toEqual(['r2']);
  });

  it('H94: each hold expires by itself; the timer serves the queue', async () => {
    const { clock, adapter, granted, enqueue } = setUp();
    await adapter.tryAcquire(attempt('a', permits(2, 3)));
    await clock.advance(500);
    await adapter.tryAcquire(attempt('b', permits(1, 3)));
    void enqueue('c', permits(1, 3));
    await clock.advance(499);
    expect(granted).toEqual([]);
    await clock.advance(1);
    expect(granted).toEqual(['c']);
    expect(await adapter.inspect!('k')).toMatchObject({ owner: 'b', holders: 2, limit: 3 });
    expect(await adapter.release({ key: 'k', owner: 'a' })).toBe('not-held');
  });

  it('H93, H100: to renew or release one holder touches no other', async () => {
    const { clock, adapter } = setUp();
    for (const owner of ['r1', 'r2']) await adapter.tryAcquire(attempt(owner, shared));
    await clock.advance(900);
    expect(await adapter.renew({ key: 'k', owner: 'r2' }, 1_000)).toEqual({ status: 'renewed', validForMs: 1_000 });
    await clock.advance(100);
    expect(await adapter.renew({ key: 'k', owner: 'r1' }, 1_000)).toEqual({ status: 'lost' });
    expect(await adapter.release({ key: 'k', owner: 'r1' })).toBe('not-held');
    expect(await adapter.inspect!('k')).toMatchObject({ owner: 'r2', holders: 1, remainingMs: 900 });
  });

  it('a shorter renewal ends the hold as early as it says, and a waiter gets in then', async () => {
    const { clock, adapter, granted, enqueue } = setUp();
    for (const owner of ['r1', 'r2']) await adapter.tryAcquire(attempt(owner, shared));
    void enqueue('w');
    for (const owner of ['r1', 'r2']) await adapter.renew({ key: 'k', owner }, 100);
    await clock.advance(99);
    expect(granted).toEqual([]);
    await clock.advance(1);
    expect(granted).toEqual(['w']);
  });

  it('an owner that asks again has one hold, with its token', async () => {
    const { adapter } = setUp();
    const first = (await adapter.tryAcquire(attempt('p', permits(2, 2)))) as Granted;
    expect(await adapter.tryAcquire(attempt('p', permits(2, 2)))).toEqual(first);
    expect(await adapter.enqueue!(attempt('p', permits(2, 2)), never)).toEqual(first);
    expect(await adapter.release({ key: 'k', owner: 'p' })).toBe('released');
    expect(await adapter.inspect!('k')).toBe(undefined);
  });
});

describe('tokens', () => {
  it('exclusive and permit grants mint, a shared grant has the last of the exclusive ones, or 0n', async () => {
    const { adapter } = setUp();
    const token = async (owner: string, claim?: Claim, tokens = 1) => {
      const granted = (await adapter.tryAcquire(attempt(owner, claim, { tokens }))) as Granted;
      return granted.fencingToken!;
    };
    expect(await token('r0', shared)).toBe(0n);
    await adapter.release({ key: 'k', owner: 'r0' });
    const first = await token('w1', undefined, 10);
    await adapter.release({ key: 'k', owner: 'w1' });
    // The whole block may have been used.
    expect(await token('r1', shared, 65)).toBe(first + 9n);
    expect(await token('r2', shared)).toBe(first + 9n);
    await adapter.forceRelease!('k');
    expect(await token('w2')).toBe(first + 10n);
    await adapter.release({ key: 'k', owner: 'w2' });
    expect(await token('p1', permits(1, 2))).toBe(first + 11n);
    expect(await token('p2', permits(1, 2))).toBe(first + 12n);
  });
});

describe('downgrade', () => {
  it('H98: lets readers in and no writer, once or repeated, and begins a fresh lease', async () => {
    const { clock, adapter, granted, enqueue, settled } = setUp();
    await adapter.tryAcquire(attempt('w1'));
    void enqueue('r1', shared);
    void enqueue('w2');
    void enqueue('r2', shared);
    await clock.advance(900);
    const hold = { key: 'k', owner: 'w1' };
    expect(await adapter.downgrade!(hold, 2_000)).toEqual({ status: 'renewed', validForMs: 2_000 });
    expect(await adapter.downgrade!(hold, 2_000)).toEqual({ status: 'renewed', validForMs: 2_000 });
    await settled();
    expect(granted).toEqual(['r1']);
    await clock.advance(1_900);
    expect(await adapter.renew(hold, 1_000)).toMatchObject({ status: 'renewed' });
    expect(await adapter.release(hold)).toBe('released');
  });

  it('of what is not held: lost, and nothing changes', async () => {
    const { clock, adapter } = setUp();
    expect(await adapter.downgrade!({ key: 'k', owner: 'w1' }, 1_000)).toEqual({ status: 'lost' });
    await adapter.tryAcquire(attempt('w1'));
    expect(await adapter.downgrade!({ key: 'k', owner: 'w2' }, 1_000)).toEqual({ status: 'lost' });
    expect(await ask(adapter, 'r1', shared)).toBe('busy');
    await clock.advance(1_000);
    expect(await adapter.downgrade!({ key: 'k', owner: 'w1' }, 1_000)).toEqual({ status: 'lost' });
  });
});

describe('one use at a time', () => {
  it('H99: another limit or another kind is refused, naming both, while there is a holder or a waiter', async () => {
    const { clock, adapter, enqueue } = setUp();
    await adapter.tryAcquire(attempt('a', permits(1, 1)));
    void enqueue('b', permits(1, 1));
    const refusals: [Claim | undefined, RegExp][] = [
      [permits(1, 2), /semaphore of 1 permits.*semaphore of 2 permits/],
      [shared, /semaphore of 1 permits.*a lock/],
      [undefined, /semaphore of 1 permits.*a lock/],
    ];
    for (const [claim, message] of refusals) {
      const refusal = { code: 'LOCK_INVALID_ARGUMENT', retryable: false, message: expect.stringMatching(message) };
      await expect(adapter.tryAcquire(attempt('c', claim))).rejects.toMatchObject(refusal);
      await expect(adapter.enqueue!(attempt('c', claim), never)).rejects.toMatchObject(refusal);
    }
    await adapter.release({ key: 'k', owner: 'a' });
    await expect(adapter.tryAcquire(attempt('c', permits(1, 2)))).rejects.toMatchObject({ key: 'k' });
    await clock.advance(1_000);
    expect(await ask(adapter, 'c', permits(2, 2))).toBe('granted');
  });

  it('a forced release frees all holders, or the one that is named', async () => {
    const { adapter } = setUp();
    for (const owner of ['r1', 'r2', 'r3']) await adapter.tryAcquire(attempt(owner, shared));
    expect(await adapter.forceRelease!('k', 'r2')).toBe(true);
    expect(await adapter.forceRelease!('k', 'r2')).toBe(false);
    expect((await adapter.inspect!('k'))?.holders).toBe(2);
    expect(await adapter.forceRelease!('k')).toBe(true);
    expect(await adapter.forceRelease!('k')).toBe(false);
  });

  it("without a queue there are exclusive locks alone, and 'shared' is not declared", () => {
    const { capabilities } = memoryAdapter({ fairness: 'none' });
    expect([capabilities.shared, capabilities.permits]).toEqual([false, false]);
    expect(memoryAdapter().capabilities).toMatchObject({ shared: true, permits: true });
  });
});

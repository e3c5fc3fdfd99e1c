import { type Claim, createLocks, type LockAdapter } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { checkHistory, createRecorder, type HistoryEvent, renderHtml, renderText } from '../src/history/index.ts';

const attempt = (owner: string, ttlMs = 5_000) => ({
  ...{ key: 'k', owner, ttlMs, tokens: 1 },
  signal: new AbortController().signal,
});
const kinds = (events: readonly HistoryEvent[]) => events.map(({ f, kind }) => `${f} ${kind}`);
const until = async (what: string, holds: () => boolean) => {
  const giveUpAt = performance.now() + 20_000;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`Not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
/** Counts permits against a limit that nobody named. */
const limitless = (adapter: LockAdapter): LockAdapter => ({
  ...adapter,
  enqueue: undefined,
  tryAcquire: (asked) => adapter.tryAcquire(overLimit(asked)),
});
const overLimit = <T extends { claim?: Claim }>(asked: T): T =>
  asked.claim?.mode === 'permits' ? { ...asked, claim: { ...asked.claim, limit: 99 } } : asked;
/** Gives the key to whoever asks, as a DEL without a look at the owner makes possible (H1). */
const broken = (adapter: LockAdapter): LockAdapter => ({
  ...adapter,
  enqueue: undefined,
  async tryAcquire(asked) {
    await adapter.forceRelease!(asked.key);
    return adapter.tryAcquire(asked);
  },
});

describe('the recorder of an adapter', () => {
  it('notes each request before its send and each answer after it', async () => {
    const store = memoryStore();
    const recorder = createRecorder({ process: 'a' });
    const adapter = recorder.adapter(memoryAdapter({ store }));
    const asked: number[] = [];
    await adapter.tryAcquire(attempt('A'));
    await adapter.tryAcquire(attempt('B'));
    await adapter.renew({ key: 'k', owner: 'A' }, 5_000);
    await adapter.renewMany!(
      [
        { key: 'k', owner: 'A' },
        { key: 'k', owner: 'B' },
      ],
      5_000,
    );
    const waiting = adapter.enqueue!(
      { ...attempt('C'), onQueued: () => void asked.push(1) },
      new AbortController().signal,
    );
    await adapter.release({ key: 'k', owner: 'A' });
    await waiting;
    expect(asked).toEqual([1]);
    expect(await adapter.inspect!('k')).toMatchObject({ owner: 'C' });
    expect(kinds(recorder.events)).toEqual([
      ...['acquire invoke', 'acquire ok', 'acquire invoke', 'acquire fail', 'renew invoke', 'renew ok'],
      ...['renew invoke', 'renew invoke', 'renew ok', 'renew fail', 'acquire invoke', 'acquire queued'],
      ...['release invoke'],
      ...kinds(recorder.events).slice(13),
    ]);
    expect(kinds(recorder.events).slice(13).sort()).toEqual(['acquire ok', 'release ok']);
    const [, granted] = recorder.events;
    expect(granted).toMatchObject({ hold: 'A', owner: 'A', fence: expect.any(BigInt) });
    expect(granted!.deadline! - recorder.events[0]!.t).toBe(5_000);
    expect(recorder.events.map(({ t }) => t)).toEqual(recorder.events.map(({ t }) => t).toSorted((a, b) => a - b));
    expect(checkHistory(recorder.events, { strict: true, fifo: true }).verdict).toBe('valid');
  });

  it('takes a rejection for "nobody knows", and passes it on', async () => {
    const recorder = createRecorder();
    const reset = new Error('connection reset');
    const adapter = recorder.adapter({ ...memoryAdapter(), tryAcquire: () => Promise.reject(reset) });
    await expect(adapter.tryAcquire(attempt('A'))).rejects.toBe(reset);
    expect(recorder.events.at(-1)).toMatchObject({ kind: 'info', why: 'Error: connection reset' });
  });

  it('adds no method that the adapter does not have', () => {
    const adapter = createRecorder().adapter(memoryAdapter({ fairness: 'none' }));
    expect(adapter.enqueue).toBeUndefined();
    expect(adapter.whenFree).toBeTypeOf('function');
    expect(adapter.name).toBe('memory');
  });

  it('H1: shows how an adapter gave one key to two', async () => {
    const store = memoryStore();
    const recorder = createRecorder();
    const [a, b] = [memoryAdapter({ store }), memoryAdapter({ store })].map((right) => recorder.adapter(broken(right)));
    await a!.tryAcquire(attempt('first'));
    await b!.tryAcquire(attempt('second'));
    await b!.release({ key: 'k', owner: 'second' });
    await a!.release({ key: 'k', owner: 'first' });
    const { verdict, violations, history } = checkHistory(recorder.events);
    expect(verdict).toBe('invalid');
    expect(violations).toMatchObject([{ rule: 'exclusion', holds: [{ id: 'first' }, { id: 'second' }] }]);
    const text = renderText(history, violations[0]!);
    expect(text).toMatch(/"k" had two holders for [\d.]+ ms: first/);
    expect(text).toMatch(/> \|.*#.*\| second token \d+/);
    expect(text).toMatch(/release invoke/);
    const html = renderHtml(history, violations);
    expect(html).toContain('1 violation');
    expect(html).toContain('class="both"');
    expect(html).not.toMatch(/<script|https?:\/\//);
  });
});

describe('the recorder of locks', () => {
  it('notes acquire, renewal, release and re-entry, and stays out of the way', async () => {
    const recorder = createRecorder();
    const locks = recorder.locks(createLocks(memoryAdapter()));
    const result = await locks.using('k', async (outer) => {
      await outer.renew(10_000);
      await using inner = await locks.acquire('k');
      expect(inner.fencingToken).toBe(outer.fencingToken);
      expect(inner.owner.id).toBe(outer.owner.id);
      inner.assertHeld();
      expect(await locks.createOwner().run(() => locks.tryAcquire('k'))).toBeUndefined();
      return 'result';
    });
    expect(result).toBe('result');
    await expect(locks.using('k', () => Promise.reject(new Error('of the body')))).rejects.toThrow('of the body');
    await expect(locks.acquire('k', { ttlMs: -1 })).rejects.toThrow(/ttl/i);
    await locks.close();
    expect(kinds(recorder.events)).toEqual([
      ...['acquire invoke', 'acquire ok', 'renew invoke', 'renew ok', 'acquire invoke', 'acquire ok'],
      ...['acquire invoke', 'acquire fail', 'release invoke', 'release ok', 'release invoke', 'release ok'],
      ...['acquire invoke', 'acquire ok', 'release invoke', 'release ok', 'acquire invoke', 'acquire fail'],
    ]);
    expect(checkHistory(recorder.events, { strict: true }).verdict).toBe('valid');
  });

  it('notes each term of a leader, also one that is told to stop before its body ends', async () => {
    const recorder = createRecorder();
    const locks = recorder.locks(createLocks(memoryAdapter()));
    const stop = new AbortController();
    let terms = 0;
    const led = locks.lead(
      'k',
      async (term) => {
        terms += 1;
        if (terms === 1) await until('the loss', () => term.signal.aborted);
        else stop.abort(new Error('enough'));
        expect(term.signal.aborted).toBe(true);
      },
      { maxHoldMs: 50, signal: stop.signal },
    );
    await expect(led).rejects.toThrow('enough');
    await locks.close();
    const told = kinds(recorder.events).filter((kind) => !kind.endsWith('invoke'));
    // A machine that stalls for 50 ms ends the second term as well.
    const second = told.includes('hold lost', 4) ? ['hold lost', 'release ok'] : ['release ok'];
    expect(told).toEqual(['acquire ok', 'hold lost', 'release ok', 'acquire ok', ...second]);
    expect(checkHistory(recorder.events, { strict: true }).violations).toEqual([]);
  });

  it('H45: a hold lasts until its loss, and no longer than its last deadline', async () => {
    const store = memoryStore();
    const recorder = createRecorder();
    const locks = recorder.locks(createLocks(memoryAdapter({ store })));
    const lock = await locks.acquire('k', { ttlMs: 400, autoRenew: false });
    await until('the loss', () => lock.signal.aborted);
    expect(await lock.release()).toBe('lost');
    const next = await locks.acquire('k');
    await next.release();
    await locks.close();
    const { verdict, history } = checkHistory(recorder.events);
    expect(verdict).toBe('valid');
    const [first, second] = history.holds;
    expect(first!.end - first!.invokedAt).toBeLessThan(400);
    expect(first!.end).toBeLessThan(second!.start);
  });

  it('H48: a hold ends with its lease, when the process stalls past it and notices late', async () => {
    const recorder = createRecorder();
    const locks = recorder.locks(createLocks(memoryAdapter()));
    const lock = await locks.acquire('k', { ttlMs: 400 });
    const resumeAt = performance.now() + 600;
    while (performance.now() < resumeAt);
    await lock.release();
    await locks.close();
    const [hold] = checkHistory(recorder.events).history.holds;
    expect(hold).toMatchObject({ endedBy: 'deadline' });
    expect(hold!.end - hold!.invokedAt).toBeLessThan(400);
  });

  it('sees what the watchdog does: a renewed hold lasts until its release', async () => {
    const recorder = createRecorder();
    const locks = recorder.locks(createLocks(memoryAdapter()));
    const lock = await locks.acquire('k', { ttlMs: 1_000 });
    const acquiredAt = performance.now();
    await until('the first lease is over', () => performance.now() > acquiredAt + 1_500 || lock.signal.aborted);
    const survived = lock.state === 'held';
    await lock.release();
    await locks.close();
    const [hold] = checkHistory(recorder.events).history.holds;
    // A machine that stands still for two thirds of a second loses the lock by right.
    if (survived) expect(hold!.end - hold!.start).toBeGreaterThan(1_400);
    else expect(hold!.endedBy).not.toBe('release');
  });

  it('H1: shows two holders that lock-core was made to believe in', async () => {
    const store = memoryStore();
    const recorder = createRecorder();
    const all = [0, 1].map(() => recorder.locks(createLocks(broken(memoryAdapter({ store })))));
    const held = await Promise.all(all.map((locks) => locks.acquire('k')));
    await Promise.all(held.map((lock) => lock.release()));
    await Promise.all(all.map((locks) => locks.close()));
    expect(checkHistory(recorder.events).violations).toMatchObject([{ rule: 'exclusion', key: 'k' }]);
  });

  it('finds nothing wrong with many tasks over several clients', async () => {
    const store = memoryStore();
    const recorder = createRecorder();
    const all = [0, 1, 2].map(() =>
      recorder.locks(createLocks(recorder.adapter(memoryAdapter({ store, fairness: 'none' })))),
    );
    const task = async (n: number) => {
      for (let turn = 0; turn < 10; turn++) {
        await all[n % 3]!.using(`key ${(n + turn) % 3}`, () => new Promise((resolve) => setImmediate(resolve)));
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, n) => task(n)));
    await Promise.all(all.map((locks) => locks.close()));
    // Two histories in one: what the applications saw, and what the backend did.
    const seen = checkHistory(recorder.events.filter(({ hold }) => hold.startsWith(`${process.pid}/`)));
    const done = checkHistory(recorder.events.filter(({ hold }) => !hold.startsWith(`${process.pid}/`)));
    expect(seen.violations).toEqual([]);
    expect(done.violations).toEqual([]);
    expect(seen.history.holds.length).toBe(120);
    expect(done.history.holds.length).toBeGreaterThan(3);
  });

  it('notes permits of semaphores, and finds too many of them', async () => {
    const seen = [];
    for (const broken of [(adapter: LockAdapter) => adapter, limitless]) {
      const store = memoryStore();
      const recorder = createRecorder();
      const all = [0, 1].map(() => recorder.locks(createLocks(broken(memoryAdapter({ store })))));
      const [one, other] = all.map((locks) => locks.semaphore('k', 3));
      const held = [await one!.acquire({ permits: 2 }), await other!.tryAcquire(), await other!.tryAcquire()];
      await Promise.all(held.map((lock) => lock?.release()));
      await Promise.all(all.map((locks) => locks.close()));
      const { violations, history } = checkHistory(recorder.events);
      expect(history.holds[0]!.claim).toEqual({ mode: 'permits', permits: 2, limit: 3 });
      seen.push({ holds: history.holds.length, busy: history.refusals.length, found: violations.length });
    }
    expect(seen).toEqual([
      { holds: 2, busy: 1, found: 0 },
      { holds: 3, busy: 0, found: 1 },
    ]);
  });

  it('notes each key of a group: all are granted, or none is', async () => {
    const recorder = createRecorder();
    const locks = recorder.locks(createLocks(memoryAdapter()));
    const group = await locks.acquireAll(['b', 'a', 'b']);
    expect(await locks.tryAcquireAll(['a', 'c'])).toBeUndefined();
    expect(await group.release()).toBe('released');
    await locks.close();
    const { history } = checkHistory(recorder.events);
    expect(history.holds.map(({ key, endedBy }) => `${key} ${endedBy}`).sort()).toEqual(['a release', 'b release']);
    expect(history.refusals.map(({ key }) => key).sort()).toEqual(['a', 'c']);
  });
});

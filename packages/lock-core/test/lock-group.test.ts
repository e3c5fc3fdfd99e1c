import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Lock, LockError } from '../src/index.ts';
import { codeOf, follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

const keysOf = (locks: readonly Lock[] | undefined): string[] => (locks ?? []).map(({ key }) => key);

describe('the locks of several keys', () => {
  it('are acquired in the order of the UTF-8 bytes of the different keys, and released in the reverse order', async () => {
    const { locks, adapter } = twoClients();
    // By UTF-16 units, as strings compare, the emoji would come before the full-width letter.
    const group = await locks.acquireAll(['b', '\u{1F600}', 'a', '\uFF41', 'b', 'B']);
    const sorted = ['B', 'a', 'b', '\uFF41', '\u{1F600}'];
    expect(keysOf(group.locks)).toEqual(sorted);
    expect(adapter.calls.map(({ key }) => key)).toEqual(sorted);
    expect(group.state).toBe('held');
    group.assertHeld();
    adapter.calls.length = 0;
    expect(await group.release()).toBe('released');
    expect(adapter.calls.map(({ operation, key }) => [operation, key])).toEqual(
      sorted.toReversed().map((key) => ['release', key]),
    );
    expect(group.state).toBe('released');
    expect(group.signal.aborted).toBe(false);
    expect(() => group.assertHeld()).toThrow(expect.objectContaining({ code: 'LOCK_RELEASED' }));
    expect(await group.release()).toBe('released');
    expect(adapter.calls).toHaveLength(sorted.length);
  });

  it('H101: two callers that name the keys in opposite orders do not deadlock', async () => {
    const { locks, other, clock } = twoClients();
    const done: string[] = [];
    const work = (at: typeof locks, keys: string[], name: string) =>
      at.usingAll(keys, async () => {
        await new Promise((resolve) => clock.setTimeout(() => resolve(undefined), 5));
        done.push(name);
      });
    const all = [
      ...Array.from({ length: 5 }, (_, i) => work(locks, ['x', 'y', 'z'], `first ${i}`)),
      ...Array.from({ length: 5 }, (_, i) => work(other, ['z', 'y', 'x'], `second ${i}`)),
    ];
    const followed = all.map(follow);
    await clock.advance(10_000);
    expect(followed.map(({ state }) => state)).toEqual(all.map(() => 'resolved'));
    expect(new Set(done).size).toBe(10);
  });

  it('H102: one deadline covers all keys; when it comes, the error names the key and nothing is held', async () => {
    const { locks, other, clock } = twoClients();
    const [b, c] = [await other.acquire('b'), await other.acquire('c')];
    const asked = follow(locks.acquireAll(['a', 'b', 'c', 'd'], { waitMs: 1_000 }));
    await clock.advance(800);
    await b.release();
    await clock.advance(199);
    expect(asked.state).toBe('pending');
    await clock.advance(30);
    expect(asked.error).toMatchObject({ code: 'LOCK_TIMEOUT', key: 'c' });
    expect((asked.error as Error).message).toMatch(/"c" on \S+ was still busy after 1,0\d\d ms/);
    for (const key of ['a', 'b', 'd']) expect(await other.inspect(key), key).toBeUndefined();
    await c.release();
  });

  it('tryAcquireAll waits for none of them', async () => {
    const { locks, other, adapter } = twoClients();
    const held = await other.acquire('b');
    expect(await locks.tryAcquireAll(['c', 'b', 'a'])).toBeUndefined();
    expect(await other.inspect('a')).toBeUndefined();
    expect(adapter.calls.some(({ key }) => key === 'c')).toBe(false);
    await held.release();
    const group = await locks.tryAcquireAll(['c', 'b', 'a']);
    expect(keysOf(group?.locks)).toEqual(['a', 'b', 'c']);
    await group?.release();
    await other.acquire('b');
    expect(await codeOf(locks.acquireAll(['a', 'b'], { waitMs: 0 }))).toBe('LOCK_TIMEOUT');
  });

  it('a loss of any of them aborts the signal of the group, and the others are still released', async () => {
    const { locks, other, clock } = twoClients();
    const group = await locks.acquireAll(['a', 'b', 'c']);
    const { signal } = group;
    await other.forceRelease('b');
    await clock.advance(15_000);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: 'LOCK_LOST', key: 'b' });
    expect(group.state).toBe('lost');
    expect(() => group.assertHeld()).toThrow(expect.objectContaining({ code: 'LOCK_LOST', key: 'b' }));
    expect(group.locks.map(({ state }) => state)).toEqual(['held', 'lost', 'held']);
    expect(await group.release()).toBe('lost');
    for (const key of ['a', 'b', 'c']) expect(await other.inspect(key), key).toBeUndefined();
  });

  it('after a stall the first look at the signal sees the loss', async () => {
    const { locks, clock } = twoClients({ ttlMs: 3_000 });
    const group = await locks.acquireAll(['a', 'b']);
    clock.stall(5_000);
    expect(group.signal.aborted).toBe(true);
    await group.release();
  });

  it('a lock that is lost while the others are still being acquired fails the call at once', async () => {
    const { locks, other, clock, adapter } = twoClients({ ttlMs: 3_000 });
    const b = await other.acquire('b');
    const asked = follow(locks.acquireAll(['a', 'b']));
    await clock.advance(10);
    await other.forceRelease('a');
    await clock.advance(1_500);
    expect(asked.error).toMatchObject({ code: 'LOCK_LOST', key: 'a' });
    await b.release();
    await clock.advance(5_000);
    expect(await other.inspect('b')).toBeUndefined();
    expect(adapter.count('renew')).toBeLessThan(3);
  });

  it('a lease that ends without renewal while the others are acquired fails the call', async () => {
    const { locks, other, clock } = twoClients();
    await other.acquire('b');
    const asked = follow(locks.acquireAll(['a', 'b'], { autoRenew: false, ttlMs: 500 }));
    await clock.advance(501);
    expect(asked.error).toMatchObject({ code: 'LOCK_LOST', key: 'a' });
  });

  it('an abort leaves nothing, at whatever answer it comes', async () => {
    for (let at = 0; at < 40; at += 1) {
      const { locks, other, clock, adapter } = twoClients();
      adapter.otherwise('tryAcquire', { replyAfterMs: 3 });
      adapter.otherwise('release', { replyAfterMs: 3 });
      const controller = new AbortController();
      const reason = new Error('enough');
      const asked = follow(locks.acquireAll(['a', 'b', 'c', 'd'], { signal: controller.signal }));
      await clock.advance(at / 2);
      controller.abort(reason);
      await clock.advance(60_000);
      if (asked.state === 'resolved') await follow(asked.value!.release());
      else expect(asked.error).toBe(reason);
      await clock.advance(60_000);
      for (const key of ['a', 'b', 'c', 'd']) expect(await other.inspect(key), `${key} at ${at}`).toBeUndefined();
    }
  });

  it('rejects only when what it had acquired has been released', async () => {
    const { locks, other, clock, adapter } = twoClients();
    await other.acquire('b');
    adapter.otherwise('release', { replyAfterMs: 40 });
    const asked = follow(locks.acquireAll(['a', 'b'], { waitMs: 100 }));
    await clock.advance(120);
    expect(asked.state).toBe('pending');
    await clock.advance(40);
    expect(asked.error).toMatchObject({ code: 'LOCK_TIMEOUT', key: 'b' });
    expect(await other.inspect('a')).toBeUndefined();
  });

  it('a backend without an answer fails it in bounded time, and leaves nothing', async () => {
    const { locks, other, clock, adapter } = twoClients();
    adapter.next('tryAcquire', 'ok');
    adapter.otherwise('tryAcquire', 'reply lost');
    adapter.otherwise('release', 'request lost');
    const asked = follow(locks.acquireAll(['a', 'b']));
    await clock.advance(13_000);
    expect(asked.error).toMatchObject({ code: 'LOCK_BACKEND', key: 'b' });
    adapter.otherwise('release', 'ok');
    await clock.advance(60_000);
    for (const key of ['a', 'b']) expect(await other.inspect(key), key).toBeUndefined();
  });

  it('close fails one that waits, and frees what it had acquired', async () => {
    const { locks, other, clock } = twoClients();
    await other.acquire('b');
    const asked = follow(locks.acquireAll(['a', 'b']));
    await clock.advance(10);
    await locks.close();
    expect(asked.error).toMatchObject({ code: 'LOCK_CLOSED' });
    expect(await other.inspect('a')).toBeUndefined();
  });

  it('10,000 keys work, and leave nothing', async () => {
    const { locks, other } = twoClients();
    const keys = Array.from({ length: 10_000 }, (_, i) => `key:${i}`);
    const group = await locks.acquireAll(keys);
    expect(group.locks).toHaveLength(10_000);
    expect(group.signal.aborted).toBe(false);
    expect(await group.release()).toBe('released');
    for await (const info of other.list()) expect(info).toBeUndefined();
  });

  it('what is no list of keys is refused before anything is sent', async () => {
    const { locks, adapter } = twoClients();
    for (const keys of [[], 'a', undefined, new Set(['a']), ['a', ''], ['a', undefined], [['a']]]) {
      const given = keys as string[];
      expect(await codeOf(locks.acquireAll(given)), inspect(keys)).toBe('LOCK_INVALID_ARGUMENT');
      expect(await codeOf(locks.tryAcquireAll(given)), inspect(keys)).toBe('LOCK_INVALID_ARGUMENT');
      expect(await codeOf(locks.usingAll(given, () => {})), inspect(keys)).toBe('LOCK_INVALID_ARGUMENT');
    }
    const misplaced = locks.usingAll as (...args: unknown[]) => Promise<unknown>;
    expect(await codeOf(misplaced(['a']))).toBe('LOCK_INVALID_ARGUMENT');
    await expect(misplaced(['a'], () => {}, {})).rejects.toThrow('usingAll(keys, options, body)');
    await expect(locks.acquireAll(['a'], { waitMS: 1 } as object)).rejects.toThrow('did you mean waitMs');
    const aborted = AbortSignal.abort(new Error('before'));
    await expect(locks.acquireAll(['a'], { signal: aborted })).rejects.toThrow('before');
    expect(adapter.calls).toEqual([]);
  });

  it('is shown with its keys, in logs and as JSON', async () => {
    const { locks } = twoClients();
    const group = await locks.acquireAll(['a', 'b']);
    const shown = JSON.parse(JSON.stringify(group));
    expect(shown).toMatchObject({ state: 'held', locks: [{ key: 'a', state: 'held' }, { key: 'b' }] });
    expect(inspect(group)).toMatch(/^LockGroup \{/);
    await group.release();
  });
});

describe('usingAll', () => {
  it('gives back the result of its body, or its error, and releases all in both cases', async () => {
    const { locks, other } = twoClients();
    expect(await locks.usingAll(['a', 'b'], (group) => keysOf(group.locks).join())).toBe('a,b');
    const failing = locks.usingAll(['a', 'b'], { ttlMs: 5_000 }, () => Promise.reject(new Error('body')));
    await expect(failing).rejects.toThrow('body');
    for (const key of ['a', 'b']) expect(await other.inspect(key), key).toBeUndefined();
  });

  it('what is nested in its body re-enters each of the keys; siblings exclude it', async () => {
    const { locks, clock } = twoClients();
    let nested = 0;
    await locks.usingAll(['a', 'b'], async (group) => {
      await locks.using('b', (lock) => {
        nested += 1;
        expect(lock.fencingToken).toBe(group.locks[1]!.fencingToken);
      });
      await locks.usingAll(['b', 'a', 'c'], (inner) => {
        nested += 1;
        expect(inner.locks.map(({ state }) => state)).toEqual(['held', 'held', 'held']);
      });
      expect(group.state).toBe('held');
      expect(await locks.tryAcquire('c').then((lock) => lock?.release())).toBe('released');
    });
    expect(nested).toBe(2);
    const held = await locks.acquireAll(['a', 'b']);
    const waiting = follow(locks.using('a', () => 'in'));
    await clock.advance(50);
    expect(waiting.state).toBe('pending');
    await held.release();
    await clock.advance(50);
    expect(waiting.value).toBe('in');
  });

  it('C-72: a reason that is a LOCK_TIMEOUT error is passed on as it is', async () => {
    const { locks, other, clock } = twoClients();
    const held = await other.acquire('b');
    const controller = new AbortController();
    const reason = new LockError('LOCK_TIMEOUT', 'of another lock', { key: 'another' });
    const asking = follow(locks.acquireAll(['a', 'b'], { signal: controller.signal }));
    await clock.advance(10);
    controller.abort(reason);
    await clock.advance(10);
    expect(asking.error).toBe(reason);
    expect(await other.inspect('a')).toBeUndefined();
    await held.release();
  });

  it('with `reentrant: false` a key that is held around it is LOCK_SELF_DEADLOCK, and the others are free again', async () => {
    const { locks, other } = twoClients();
    await locks.using('b', async () => {
      const inner = locks.usingAll(['a', 'b'], { reentrant: false }, () => {});
      await expect(inner).rejects.toMatchObject({ code: 'LOCK_SELF_DEADLOCK', key: 'b' });
      expect(await other.inspect('a')).toBeUndefined();
      expect(await other.inspect('b')).toBeDefined();
    });
  });
});

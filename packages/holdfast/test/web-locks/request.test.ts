import { LockError } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import type { WebLock, WebLockOptions } from '../../src/web-locks/index.ts';
import { backends, gate, hold, tabsOf } from './support.ts';

describe.each(backends)('Web Locks on $backend', (backend) => {
  const tabs = tabsOf(backend);

  it('gives back what the callback gives back, at once or later', async () => {
    const { here } = tabs();
    expect(await here.request('result', () => 42)).toBe(42);
    expect(await here.request('result', {}, async () => 'later')).toBe('later');
    expect(await here.request('result', { mode: 'exclusive' }, () => undefined)).toBeUndefined();
  });

  it('gives the callback’s error, and frees the lock', async () => {
    const { here, there } = tabs();
    const thrown = new RangeError('mine');
    const throwing = (): never => {
      throw thrown;
    };
    await expect(here.request('error', throwing)).rejects.toBe(thrown);
    await expect(here.request('error', async () => throwing())).rejects.toBe(thrown);
    expect(await there.request('error', { ifAvailable: true }, (lock) => lock !== null)).toBe(true);
  });

  it('shows the lock: name, mode, and a token that rises', async () => {
    const { here, there } = tabs();
    const look = (lock: WebLock | null) => lock!;
    const first = await here.request('look', look);
    const second = await there.request('look', look);
    expect(first).toMatchObject({ name: 'look', mode: 'exclusive' });
    expect(second.fencingToken! > first.fencingToken!).toBe(true);
    expect(first.signal.aborted).toBe(false);
  });

  it('never runs two callbacks of one name at once, in one view or in two', async () => {
    const { here, there } = tabs();
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
    };
    await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? here : there).request('exclusive', work)));
    expect(most).toBe(1);
  });

  it('grants in the order of the requests of one view', async () => {
    const { here } = tabs();
    const order: number[] = [];
    const { letGo, done } = await hold(here, 'order');
    const requests = [1, 2, 3, 4].map((n) => here.request('order', () => order.push(n)));
    letGo();
    await Promise.all([done, ...requests]);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('keeps different names apart', async () => {
    const { here, there } = tabs();
    const { letGo, done } = await hold(here, 'one');
    expect(await there.request('other', () => 'free')).toBe('free');
    letGo();
    await done;
  });

  it('holds the lock until the callback’s promise settles', async () => {
    const { here, there } = tabs();
    const { letGo, done } = await hold(here, 'until');
    const free = () => there.request('until', { ifAvailable: true }, (lock) => lock !== null);
    expect(await free()).toBe(false);
    letGo();
    expect(await done).toBe('had until');
    expect(await free()).toBe(true);
  });

  it('does not re-enter: a request within a callback of the same name waits', async () => {
    const { here } = tabs();
    let inner: Promise<string> | undefined;
    await here.request('nested', async () => {
      expect(await here.request('nested', { ifAvailable: true }, (lock) => lock)).toBeNull();
      inner = here.request('nested', () => 'after');
      expect((await here.query()).pending.map(({ name }) => name)).toContain('nested');
    });
    expect(await inner).toBe('after');
  });

  it('excludes locks.using of the same key', async () => {
    const { here, locksThere } = tabs();
    const { letGo, done } = await hold(here, 'key');
    expect(await locksThere.tryAcquire('key')).toBeUndefined();
    letGo();
    await done;
  });

  it('ifAvailable: null when busy, without waiting; its result comes back all the same', async () => {
    const { here, there } = tabs();
    const { letGo, done } = await hold(here, 'available');
    const ask = (lock: WebLock | null) => (lock === null ? 'busy' : 'mine');
    expect(await here.request('available', { ifAvailable: true }, ask)).toBe('busy');
    expect(await there.request('available', { ifAvailable: true }, ask)).toBe('busy');
    const failing = there.request('available', { ifAvailable: true }, () => Promise.reject(new Error('no luck')));
    await expect(failing).rejects.toThrow('no luck');
    letGo();
    await done;
    expect(await there.request('available', { ifAvailable: true }, ask)).toBe('mine');
  });

  it('signal: cancels the waiting with its reason, and leaves no place in the queue', async () => {
    const { here, there } = tabs();
    const { letGo, done } = await hold(here, 'signal');
    const controller = new AbortController();
    let called = false;
    const waiting = there.request('signal', { signal: controller.signal }, () => {
      called = true;
    });
    const rejected = expect(waiting).rejects.toBe('enough');
    controller.abort('enough');
    await rejected;
    letGo();
    await done;
    expect(await there.request('signal', () => 'next')).toBe('next');
    expect(called).toBe(false);
    const aborted = AbortSignal.abort();
    await expect(here.request('signal', { signal: aborted }, () => {})).rejects.toBe(aborted.reason);
    await expect(here.request('signal', { signal: aborted }, () => {})).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('signal: passes on a reason that is an error of another lock', async () => {
    const { here, there } = tabs();
    const { letGo, done } = await hold(here, 'signal');
    for (const early of [true, false]) {
      const controller = new AbortController();
      const reason = new LockError('LOCK_CLOSED', 'of other locks');
      if (early) controller.abort(reason);
      const waiting = there.request('signal', { signal: controller.signal }, () => {});
      controller.abort(reason);
      await expect(waiting).rejects.toBe(reason);
    }
    letGo();
    await done;
  });

  it('signal: has no effect once the lock is granted', async () => {
    const { here } = tabs();
    const controller = new AbortController();
    const result = here.request('granted', { signal: controller.signal }, async (lock) => {
      controller.abort('too late');
      await new Promise(setImmediate);
      return lock!.signal.aborted;
    });
    expect(await result).toBe(false);
  });

  it('steal: takes the lock away, and the holder’s request rejects with AbortError', { timeout: 60_000 }, async () => {
    const { here, there } = tabs();
    const { opened: held, open: tell } = gate();
    const { opened: never } = gate();
    let signal: AbortSignal | undefined;
    const robbed = here.request('steal', async (lock) => {
      signal = lock!.signal;
      tell();
      await never;
    });
    const told = expect(robbed).rejects.toMatchObject({ name: 'AbortError', cause: { code: 'LOCK_LOST' } });
    await held;
    expect(await there.request('steal', { steal: true }, (lock) => lock!.name)).toBe('steal');
    await told; // by another process's hand with the next renewal
    expect(signal!.aborted).toBe(true);
    expect(await here.request('steal', { steal: true }, () => 'a free lock too')).toBe('a free lock too');
  });

  it('query: what is held by anybody, and what waits here', async () => {
    const { here, there } = tabs();
    const one = await hold(here, 'query');
    const two = await hold(there, 'query 2');
    const waiting = here.request('query', () => {});
    const { held, pending } = await here.query();
    const clientId = held.find(({ name }) => name === 'query')!.clientId;
    expect(pending).toEqual([{ name: 'query', mode: 'exclusive', clientId }]);
    expect(held.filter(({ name }) => name.startsWith('query')).sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: 'query', mode: 'exclusive', clientId },
      { name: 'query 2', mode: 'exclusive', clientId: expect.any(String) },
    ]);
    expect(held.find(({ name }) => name === 'query 2')!.clientId).not.toBe(clientId);
    one.letGo();
    two.letGo();
    await Promise.all([one.done, two.done, waiting]);
    const after = await here.query();
    expect(after.pending).toEqual([]);
    expect(after.held.filter(({ name }) => name.startsWith('query'))).toEqual([]);
  });
});

describe('Web Locks: what is refused, as the specification says', () => {
  const tabs = tabsOf(backends[0]!);
  const signal = new AbortController().signal;

  it.each<[string, string, WebLockOptions, string]>([
    ['a name that begins with "-"', '-x', {}, 'NotSupportedError'],
    ['steal with ifAvailable', 'x', { steal: true, ifAvailable: true }, 'NotSupportedError'],
    ['steal of a shared lock', 'x', { steal: true, mode: 'shared' }, 'NotSupportedError'],
    ['steal with a signal', 'x', { steal: true, signal }, 'NotSupportedError'],
    ['ifAvailable with a signal', 'x', { ifAvailable: true, signal }, 'NotSupportedError'],
    ['a mode that does not exist', 'x', { mode: 'foo' as 'shared' }, 'TypeError'],
    ['a signal that is none', 'x', { signal: 'foo' as unknown as AbortSignal }, 'TypeError'],
    ['here also: an empty name', '', {}, 'NotSupportedError'],
    ['here also: a name of over 1,024 bytes', 'ä'.repeat(513), {}, 'NotSupportedError'],
    ['here also: half a character', '\ud800', {}, 'NotSupportedError'],
  ])('%s', async (_, name, options, error) => {
    let called = false;
    const request = tabs().here.request(name, options, () => {
      called = true;
    });
    await expect(request).rejects.toMatchObject({ name: error });
    if (error !== 'TypeError') await expect(request).rejects.toBeInstanceOf(DOMException);
    expect(called).toBe(false);
  });

  it('no callback: a TypeError, as a rejection', async () => {
    const request = tabs().here.request as (...given: unknown[]) => Promise<unknown>;
    await expect(request('x')).rejects.toThrow(TypeError);
    await expect(request('x', {})).rejects.toThrow(TypeError);
    await expect(request('x', {}, 'callback')).rejects.toThrow(TypeError);
  });

  it('names are made strings; long and strange ones work', async () => {
    const { here } = tabs();
    const name = (value: unknown) => here.request(value as string, (lock) => lock!.name);
    expect(await name(123)).toBe('123');
    expect(await name('\0\r\n{} 🔒')).toBe('\0\r\n{} 🔒');
    expect(await here.request('none', undefined as unknown as WebLockOptions, () => 'ok')).toBe('ok');
  });

  it('an error of the backend stays what it is; closed locks are an InvalidStateError', async () => {
    const { openLocks } = await import('../../src/index.ts');
    const { webLocks } = await import('../../src/web-locks/index.ts');
    const down = await openLocks('redis://127.0.0.1:1', { lazy: true, backendTimeoutMs: 300 });
    const view = webLocks(down);
    await expect(view.request('x', () => {})).rejects.toMatchObject({ name: 'LockError', code: 'LOCK_BACKEND' });
    await expect(view.query()).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
    await down.close();
    await expect(view.request('x', () => {})).rejects.toMatchObject({ name: 'InvalidStateError' });
  });
});

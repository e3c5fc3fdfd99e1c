import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import { type WebLock, webLocks } from '../../src/web-locks/index.ts';
import { backends, gate, tabsOf } from './support.ts';

// After mode-shared, mode-mixed, ifAvailable, steal and query of the Web Platform Tests.
describe('Web Locks: shared', () => {
  const tabs = tabsOf(backends[0]!);

  it('requests for shared locks are granted together, in one view and in two', async () => {
    const { here, there } = tabs();
    const end = gate();
    const granted: string[] = [];
    const held = ['a', 'b', 'c'].map((name, i) =>
      (i === 1 ? there : here).request('together', { mode: 'shared' }, async (lock) => {
        granted.push(`${name} ${lock?.mode}`);
        if (granted.length === 3) end.open();
        await end.opened;
        return name;
      }),
    );
    expect(await Promise.all(held)).toEqual(['a', 'b', 'c']);
    expect(granted.sort()).toEqual(['a shared', 'b shared', 'c shared']);
  });

  it('an exclusive request waits for the shared ones before it, and shared ones behind it wait for it', async () => {
    const { here } = tabs();
    const events: string[] = [];
    const ends = gate();
    const step = (name: string, mode: WebLock['mode'], until: Promise<void> = Promise.resolve()) =>
      here.request('mixed', { mode }, async () => {
        events.push(`${name} begins`);
        await until;
        events.push(`${name} ends`);
      });
    const all = [step('s1', 'shared', ends.opened), step('s2', 'shared', ends.opened)];
    all.push(step('x', 'exclusive'), step('s3', 'shared'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(events).toEqual(['s1 begins', 's2 begins']);
    ends.open();
    await Promise.all(all);
    expect(events.slice(2, 4).sort()).toEqual(['s1 ends', 's2 ends']);
    expect(events.slice(4)).toEqual(['x begins', 'x ends', 's3 begins', 's3 ends']);
  });

  it('ifAvailable: a shared request beside shared ones gets the lock, an exclusive one null', async () => {
    const { here, there } = tabs();
    await here.request('available', { mode: 'shared' }, async () => {
      const mode = (lock: WebLock | null) => lock?.mode;
      expect(await there.request('available', { mode: 'shared', ifAvailable: true }, mode)).toBe('shared');
      expect(await there.request('available', { ifAvailable: true }, mode)).toBeUndefined();
    });
  });

  it('steal takes the lock from all who share it', async () => {
    const { here, there } = tabs();
    const forever = new Promise<never>(() => {});
    const begun = [gate(), gate()];
    const held = [here, there].map((view, i) => {
      const body = () => {
        begun[i]!.open();
        return forever;
      };
      return view.request('stolen', { mode: 'shared' }, body).catch((error: Error) => error.name);
    });
    await Promise.all(begun.map(({ opened }) => opened));
    expect(await here.request('stolen', { steal: true }, (lock) => lock?.mode)).toBe('exclusive');
    expect(await Promise.all(held)).toEqual(['AbortError', 'AbortError']);
  });

  it('query says which are shared', async () => {
    const { here, there } = tabs();
    await here.request('seen', { mode: 'shared' }, async () => {
      const { held } = await there.query();
      expect(held.find(({ name }) => name === 'seen')?.mode).toBe('shared');
      expect((await here.query()).held.find(({ name }) => name === 'seen')?.mode).toBe('shared');
    });
  });

  it('is a NotSupportedError where the backend has no shared locks', async () => {
    const locks = createLocks(memoryAdapter({ fairness: 'none' }));
    const request = webLocks(locks).request('x', { mode: 'shared' }, () => 1);
    await expect(request).rejects.toMatchObject({ name: 'NotSupportedError' });
  });
});

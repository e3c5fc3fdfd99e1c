import { describe, expect, it } from 'vitest';
import type { WebLock } from '../../src/web-locks/index.ts';
import { backends, entriesOf, gate, granted, modesOf, requestAndHold, tabsOf, uniqueName, until } from './support.ts';

/** The cases of the Web Platform Tests about modes, as in `platform-cases.test.ts`. */
const tabs = tabsOf(backends[0]!);

describe('mode-shared', () => {
  it('lock requests are granted in order', async () => {
    const order: number[] = [];
    const { here } = tabs();
    const [a, b, c] = [uniqueName(), uniqueName(), uniqueName()];
    const request = (name: string, n: number) => here.request(name, { mode: 'shared' }, () => order.push(n));
    await Promise.all([a, b, c, a, b, c].map((name, i) => request(name, i)));
    for (const [i, j] of [
      [0, 3],
      [1, 4],
      [2, 5],
    ] as const)
      expect(order.indexOf(i)).toBeLessThan(order.indexOf(j));
    expect(order).toHaveLength(6);
  });

  it('shared locks are not exclusive', async () => {
    const { here, there } = tabs();
    for (const inner of [here, there]) {
      const name = uniqueName();
      const both = await here.request(name, { mode: 'shared' }, () => inner.request(name, { mode: 'shared' }, granted));
      expect(both).toBe(true);
    }
  });
});

describe('mode-mixed', () => {
  it('lock requests are granted in order', async () => {
    const { here } = tabs();
    const [a, b] = [uniqueName(), uniqueName()];
    const { opened: blocked, open: unblock } = gate();
    const order: string[] = [];
    const readers = [1, 2, 3].map((n) =>
      here.request(a, { mode: 'shared' }, async () => {
        order.push(`a shared ${n}`);
        await blocked;
      }),
    );
    const writer = here.request(a, (lock) => {
      order.push('a exclusive');
      return lock?.mode;
    });
    await here.request(b, () => {});
    await until(async () => order.length === 3);
    expect(order).toEqual(['a shared 1', 'a shared 2', 'a shared 3']);
    unblock();
    expect(await writer).toBe('exclusive');
    await Promise.all(readers);
    expect(order).toHaveLength(4);
  });

  it('releasing exclusive lock grants multiple shared locks', async () => {
    const { here } = tabs();
    const name = uniqueName();
    const writer = requestAndHold(here, name);
    const readers = [1, 2, 3, 4, 5].map(() => requestAndHold(here, name, { mode: 'shared' }));
    await until(async () => entriesOf((await here.query()).held, name).length === 1);
    expect(modesOf((await here.query()).pending, name)).toEqual(Array(5).fill('shared'));
    writer.letGo();
    await writer.done;
    await until(async () => entriesOf((await here.query()).held, name).length === 5);
    expect(modesOf((await here.query()).held, name)).toEqual(Array(5).fill('shared'));
    for (const { letGo } of readers) letGo();
    await Promise.all(readers.map(({ done }) => done));
  });

  it('an exclusive lock between shared locks', async () => {
    const { here, there } = tabs();
    const name = uniqueName();
    const hold = (mode: WebLock['mode']) => requestAndHold(here, name, { mode });
    const before = Array.from({ length: 5 }, () => hold('shared'));
    const between = hold('exclusive');
    const after = Array.from({ length: 5 }, () => hold('shared'));
    const groups = [before, [between], after];
    for (const group of groups) {
      const mode = group === groups[1] ? 'exclusive' : 'shared';
      await until(async () => entriesOf((await here.query()).held, name).length === group.length);
      expect(modesOf((await here.query()).held, name)).toEqual(group.map(() => mode));
      // Nobody passes those who wait, whoever asks.
      expect(await there.request(name, { mode: 'shared', ifAvailable: true }, granted)).toBe(group === after);
      for (const { letGo } of group) letGo();
      await Promise.all(group.map(({ done }) => done));
    }
  });
});

describe('ifAvailable', () => {
  it.each([
    ['shared', 'shared', true],
    ['shared', 'exclusive', false],
    ['exclusive', 'shared', false],
    ['exclusive', 'exclusive', false],
  ] as const)('%s lock held: a %s request with ifAvailable', async (held, asked, isGranted) => {
    const { here, there } = tabs();
    for (const view of [here, there]) {
      const name = uniqueName();
      const options = { mode: asked, ifAvailable: true };
      const seen = await here.request(name, { mode: held }, () => view.request(name, options, granted));
      expect(seen).toBe(isGranted);
      const failing = here.request(name, { mode: held }, () =>
        view.request(name, options, () => Promise.reject(new RangeError('mine'))),
      );
      await expect(failing).rejects.toThrow('mine');
    }
  });

  it('unrelated lock held; locks are available once previous release is processed', async () => {
    const { here } = tabs();
    const [one, two] = [uniqueName(), uniqueName()];
    const seen = await here.request(one, async () => {
      await here.request(two, () => {});
      return here.request(two, { ifAvailable: true }, granted);
    });
    expect(seen).toBe(true);
  });
});

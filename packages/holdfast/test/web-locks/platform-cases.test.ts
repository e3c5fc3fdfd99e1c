import { describe, expect, it } from 'vitest';
import { backends, entriesOf, gate, granted, modesOf, requestAndHold, tabsOf, uniqueName, until } from './support.ts';

/**
 * The cases of the Web Platform Tests (web-locks/*.https.any.js) that have a meaning outside of a browser, under their own names. Those
 * about windows, workers, storage partitions and secure contexts have none. What differs by design is at the end; `platform-modes.test.ts` has the cases about modes.
 */
const tabs = tabsOf(backends[0]!);

describe('acquire', () => {
  it.each([undefined, null, 123, 'abc', [], {}, new Promise(() => {})])(
    'callback must be a function, not %s',
    async (no) => {
      const request = tabs().here.request as (...given: unknown[]) => Promise<unknown>;
      await expect(request(uniqueName(), no)).rejects.toThrow(TypeError);
    },
  );

  it('mode must be "shared" or "exclusive"', async () => {
    const { here } = tabs();
    for (const mode of ['foo', null]) {
      const request = here.request(uniqueName(), { mode: mode as 'shared' }, () => {});
      await expect(request, String(mode)).rejects.toThrow(TypeError);
    }
    for (const mode of ['exclusive', 'shared'] as const)
      expect(await here.request(uniqueName(), { mode }, (lock) => lock?.mode)).toBe(mode);
  });

  it('returned promise resolves after lock is released', async () => {
    const order: string[] = [];
    const { letGo, done } = requestAndHold(tabs().here, uniqueName());
    const { opened, open } = gate();
    const all = [done.then(() => order.push('returned')), opened.then(() => order.push('holding'))];
    letGo();
    open();
    await Promise.all(all);
    expect(order).toEqual(['holding', 'returned']);
  });

  it('if callback throws a thenable, its then() should not be invoked', async () => {
    let invoked = false;
    // biome-ignore lint/suspicious/noThenProperty: this is what the case is about.
    const thenable = { then: () => (invoked = true) };
    const request = tabs().here.request(uniqueName(), async () => Promise.reject(thenable));
    const reason = await request.then(
      () => undefined,
      (error: unknown) => [error],
    );
    expect([reason?.[0] === thenable, invoked]).toEqual([true, false]);
  });
});

describe('held', () => {
  it.each(['resolves', 'rejects'])("lock is held until callback's returned promise %s", async (how) => {
    const { here } = tabs();
    const name = uniqueName();
    const { opened, open } = gate();
    const order: string[] = [];
    const first = here.request(name, () => opened.then(() => (how === 'rejects' ? Promise.reject('mine') : 'mine')));
    const told = first.catch((error: unknown) => error);
    const second = here.request(name, () => order.push('second granted'));
    setTimeout(() => {
      order.push('first ends');
      open();
    }, 20);
    await second;
    expect([await told, order]).toEqual(['mine', ['first ends', 'second granted']]);
  });
});

describe('signal', () => {
  it.each(['string', 12.34, false, {}, Symbol('no'), () => {}])(
    'the signal option must be an AbortSignal, not %s',
    async (no) => {
      const request = tabs().here.request(uniqueName(), { signal: no as unknown as AbortSignal }, () => {});
      await expect(request).rejects.toThrow(TypeError);
    },
  );

  it.each(['exclusive', 'shared'] as const)('synchronously signaled abort of a %s request', async (mode) => {
    const { here } = tabs();
    const name = uniqueName();
    const controller = new AbortController();
    let called = false;
    const request = here.request(name, { mode, signal: controller.signal }, () => {
      called = true;
    });
    controller.abort();
    await expect(request).rejects.toMatchObject({ name: 'AbortError' });
    expect(await here.request(name, granted)).toBe(true);
    expect(called).toBe(false);
  });

  it('abort signaled after lock released', async () => {
    const controller = new AbortController();
    const { letGo, done } = requestAndHold(tabs().here, uniqueName(), { signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 5));
    letGo();
    controller.abort();
    expect(await done).toBeUndefined();
  });

  it('abort should process the next pending lock request', async () => {
    const { here } = tabs();
    const name = uniqueName();
    const controller = new AbortController();
    const reader = requestAndHold(here, name, { mode: 'shared' });
    const writer = requestAndHold(here, name, { signal: controller.signal });
    const next = here.request(name, { mode: 'shared' }, granted);
    await until(async () => entriesOf((await here.query()).pending, name).length === 2);
    controller.abort('My cat handled it');
    await expect(writer.done).rejects.toBe('My cat handled it');
    // Beside the reader that still holds it.
    expect(await next).toBe(true);
    reader.letGo();
    await reader.done;
  });
});

describe('steal', () => {
  it('last caller wins', async () => {
    const { here } = tabs();
    const name = uniqueName();
    const forever = new Promise<never>(() => {});
    const steal = (body: () => unknown) =>
      here.request(name, { steal: true }, body).catch((error: Error) => error.name);
    const first = steal(() => forever);
    await until(async () => entriesOf((await here.query()).held, name).length === 1);
    expect(await steal(() => 'mine')).toBe('mine');
    expect(await first).toBe('AbortError');
  });
});

describe('query', () => {
  it('reports held shared locks with appropriate count, and pending ones', async () => {
    const { here } = tabs();
    const name = uniqueName();
    await here.request(name, { mode: 'shared' }, () =>
      here.request(name, { mode: 'shared' }, async () => {
        expect(modesOf((await here.query()).held, name)).toEqual(['shared', 'shared']);
      }),
    );
    const readers: Promise<void>[] = [];
    await here.request(name, async () => {
      for (let i = 0; i < 2; i += 1) readers.push(here.request(name, { mode: 'shared' }, () => {}));
      const { held, pending } = await here.query();
      expect([modesOf(held, name), modesOf(pending, name)]).toEqual([['exclusive'], ['shared', 'shared']]);
    });
    await Promise.all(readers);
  });

  it('reports different ids for held locks from different contexts, the same id within one, in the order of requests', async () => {
    const { here, there } = tabs();
    const [one, two] = [uniqueName(), uniqueName()];
    const mine = requestAndHold(here, one);
    const others = requestAndHold(there, two);
    await until(
      async () =>
        entriesOf((await here.query()).held, one).length + entriesOf((await here.query()).held, two).length === 2,
    );
    const waiting = (['shared', 'exclusive', 'shared'] as const).map((mode) => here.request(one, { mode }, () => {}));
    const { held, pending } = await here.query();
    const clientId = entriesOf(held, one)[0]!.clientId;
    expect(entriesOf(held, two)[0]!.clientId).not.toBe(clientId);
    expect(modesOf(pending, one)).toEqual(['shared', 'exclusive', 'shared']);
    expect(new Set(entriesOf(pending, one).map((entry) => entry.clientId))).toEqual(new Set([clientId]));
    mine.letGo();
    others.letGo();
    await Promise.all([mine.done, others.done, ...waiting]);
    const after = await here.query();
    expect([...entriesOf(after.held, one), ...entriesOf(after.held, two), ...after.pending]).toEqual([]);
  });
});

describe('resource-names', () => {
  it.each(['abc\0def', '\uffff', 'x-anything'])('%j matches the granted name', async (name) => {
    expect(await tabs().here.request(name, (lock) => lock?.name)).toBe(name);
  });

  it.each(['-', '-foo'])('names cannot start with "-": %j', async (name) => {
    await expect(tabs().here.request(name, () => {})).rejects.toMatchObject({ name: 'NotSupportedError' });
  });
});

describe('where it differs from the platform, as its README says', () => {
  it('an empty name and half a character are refused, since no backend keeps them apart', async () => {
    for (const name of ['', '\ud800', '\udc00', '\udc00\ud800'])
      await expect(tabs().here.request(name, () => {})).rejects.toMatchObject({ name: 'NotSupportedError' });
  });

  it('steal frees the lock, and gets it after the requests that already wait', async () => {
    const { here } = tabs();
    const name = uniqueName();
    const order: string[] = [];
    const robbed = requestAndHold(here, name);
    await until(async () => entriesOf((await here.query()).held, name).length === 1);
    const waiting = here.request(name, () => order.push('waited'));
    await until(async () => entriesOf((await here.query()).pending, name).length === 1);
    await here.request(name, { steal: true }, () => order.push('stole'));
    await waiting;
    await expect(robbed.done).rejects.toMatchObject({ name: 'AbortError' });
    expect(order).toEqual(['waited', 'stole']);
  });
});

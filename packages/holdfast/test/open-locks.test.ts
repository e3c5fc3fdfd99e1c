import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { memoryAdapter } from '@holdfast/adapter-memory';
import type { LockAdapter } from '@holdfast/lock-core';
import { describe, expect, it } from 'vitest';
import { openLocks } from '../src/index.ts';
import { refusal } from './support.ts';

/** A memory adapter that tells whether it was closed. */
function watched(): { adapter: LockAdapter; closed: () => number } {
  let closed = 0;
  const adapter = memoryAdapter();
  const close = async () => {
    closed++;
    await adapter.close?.();
  };
  return { adapter: { ...adapter, close }, closed: () => closed };
}

describe('memory:', () => {
  it('works at once, and all of one process are one backend', async () => {
    await using first = await openLocks('memory:');
    await using second = await openLocks({ adapter: 'memory:' });
    const lock = await first.acquire('same');
    expect(await second.tryAcquire('same')).toBeUndefined();
    await lock.release();
    expect(await second.tryAcquire('same')).toBeDefined();
  });

  it('closes at the end of an await using block', async () => {
    let outer: Awaited<ReturnType<typeof openLocks>>;
    {
      await using locks = await openLocks('memory:');
      outer = locks;
    }
    await refusal(outer.acquire('key'), 'LOCK_CLOSED');
  });

  it('the configuration goes before the defaults in code', async () => {
    await using locks = await openLocks('memory:?ttl=700ms', { ttlMs: 5_000 });
    const lock = await locks.acquire('precedence');
    expect(lock.remainingMs).toBeLessThanOrEqual(700);
    await using others = await openLocks({ adapter: 'memory:', ttlMs: 600 }, { ttlMs: 5_000 });
    expect((await others.acquire('other')).remainingMs).toBeLessThanOrEqual(600);
  });

  it('a value out of range is refused as in code', async () => {
    const error = await refusal(openLocks('memory:?ttl=0ms'), 'LOCK_INVALID_ARGUMENT');
    expect(error.message).toMatch(/ttlMs/);
  });
});

describe('require', () => {
  it('accepts what the backend gives', async () => {
    const locks = await openLocks('memory:', {
      require: { fencing: true, fairness: 'fifo', wakeup: 'push', ttl: { minMs: 10 }, crossProcess: false },
    });
    await locks.close();
  });

  it('refuses what it lacks, names who gives it, and closes the adapter', async () => {
    const { adapter, closed } = watched();
    const opening = openLocks('own:', {
      schemes: { own: () => adapter },
      require: { crossProcess: true, expiry: 'session', ttl: { minMs: 0 } },
    });
    const error = await refusal(opening, 'LOCK_UNSUPPORTED');
    expect(error.message).toMatch(/crossProcess \(available with redis, redlock, zookeeper, etcd, postgres\)/);
    expect(error.message).toMatch(/expiry: session \(available with zookeeper\)/);
    expect(error.message).toMatch(/ttl\.minMs of at most 0 ms \(it has 1 ms\)/);
    expect(error.retryable).toBe(false);
    expect(closed()).toBe(1);
  });

  it('shared locks and semaphores can be required', async () => {
    const { adapter } = watched();
    const without = { ...adapter, capabilities: { ...adapter.capabilities, shared: false, permits: undefined } };
    const opening = openLocks('own:', { schemes: { own: () => without }, require: { shared: true, permits: true } });
    expect((await refusal(opening, 'LOCK_UNSUPPORTED')).message).toMatch(/shared \(.*\); permits \(/);
  });

  it("fairness: 'fifo' is strict: no local hand-over, and not together with one", async () => {
    const require = { fairness: 'fifo' } as const;
    const locks = await openLocks('memory:', { require });
    const held = await locks.acquire('strict');
    const all = [1, 2, 3].map(() => locks.using('strict', () => {}));
    expect((await locks.inspect('strict'))?.waiters).toBe(3);
    await held.release();
    await Promise.all(all);
    await locks.close();
    const both = openLocks('memory:', { require, localRun: { count: 8 } });
    expect((await refusal(both, 'LOCK_INVALID_ARGUMENT')).message).toMatch(/localRun: \{ count: 8 \}/);
  });

  it('without fencing by configuration, fencing cannot be required', async () => {
    await refusal(openLocks('memory:?fencing=false', { require: { fencing: true } }), 'LOCK_UNSUPPORTED');
  });

  it('a misspelt requirement is refused: nobody would check it', async () => {
    const misspelt = { fencng: true } as object;
    const error = await refusal(openLocks('memory:', { require: misspelt }), 'LOCK_INVALID_ARGUMENT');
    expect(error.message).toMatch(/Did you mean "fencing"\?/);
    await refusal(openLocks('memory:', { require: { ttl: { min: 1 } as object } }), 'LOCK_INVALID_ARGUMENT');
  });
});

describe('options', () => {
  it('misspelt ones are refused in code and in objects', async () => {
    const error = await refusal(openLocks('memory:', { tlMs: 10 } as object), 'LOCK_INVALID_ARGUMENT');
    expect(error.message).toMatch(/openLocks has no option "tlMs". Did you mean "ttlMs"\?/);
    const other = await refusal(openLocks({ adapter: 'memory:', fencinng: true }), 'LOCK_INVALID_ARGUMENT');
    expect(other.message).toMatch(/Did you mean "fencing"\?/);
  });

  it.each([undefined, null, 42, {}, { adapter: '' }])('a configuration of %j is refused', async (config) => {
    const error = await refusal(openLocks(config as never), 'LOCK_INVALID_ARGUMENT');
    expect(error.message).toMatch(/is a URL, or an object/);
  });
});

const acme = relative(process.cwd(), fileURLToPath(new URL('acme-adapter.mjs', import.meta.url)));

describe('options of an odd form', () => {
  it('what an object inherits, or its class computes, counts in code as for createLocks', async () => {
    class Options {
      get ttlMs(): number {
        return 5_000;
      }
    }
    for (const options of [new Options(), Object.create({ ttlMs: 5_000 }) as { ttlMs: number }]) {
      await using locks = await openLocks('memory:', options);
      await using lock = await locks.acquire('inherited');
      expect(lock.remainingMs).toBeLessThan(5_000);
    }
    const config = Object.assign(Object.create({ ttlMs: 5_000 }), { adapter: 'memory:' });
    await using locks = await openLocks(config);
    await using lock = await locks.acquire('inherited');
    expect(lock.remainingMs).toBeLessThan(5_000);
  });

  it('an object without names, or a requirement that could not be checked, is refused', async () => {
    const wrong: unknown[] = [
      new Map([['require', { fencing: true }]]),
      Promise.resolve({}),
      new URL('memory:'),
      Object.create({ ttl: 5_000 }),
      ...[true, 5, null, new Map([['fencing', true]]), Object.create({ fence: true })].map((require) => ({ require })),
      ...[5, null, { minMs: 'few' }, { minMs: Number.NaN }].map((ttl) => ({ require: { ttl } })),
    ];
    for (const options of wrong) {
      const error = await openLocks('memory:', options as never).catch((error: unknown) => error);
      expect([options, error]).toMatchObject([options, { code: 'LOCK_INVALID_ARGUMENT' }]);
    }
  });
});

describe('a third party', () => {
  it('has a scheme of its own; the options of every lock are read for it', async () => {
    const { adapter, closed } = watched();
    const urls: string[] = [];
    const handler = (url: string) => {
      urls.push(url);
      return adapter;
    };
    const locks = await openLocks('dynamo://table/locks?ttl=800ms&region=eu', { schemes: { dynamo: handler } });
    expect(urls).toEqual(['dynamo://table/locks?ttl=800ms&region=eu']);
    expect((await locks.acquire('key')).remainingMs).toBeLessThanOrEqual(800);
    await locks.close();
    expect(closed()).toBe(1);
  });

  it('has a module whose createAdapter gets the options that are not ours', async () => {
    const locks = await openLocks({ adapter: `./${acme}`, table: 'locks', ttlMs: 900 });
    expect(locks.adapter.name).toBe('acme {"table":"locks"}');
    expect((await locks.acquire('key')).remainingMs).toBeLessThanOrEqual(900);
    await locks.close();
  });

  it.each([
    ['memory', 'memory:'],
    ['redis', 'redis://'],
    ['ioredis', 'redis+ioredis://'],
    ['pg', 'postgres://'],
    ['node-zookeeper-client', 'zookeeper://'],
    ['@holdfast/adapter-ioredis', 'redis+ioredis://'],
    ['@holdfast/adapter-memory', 'memory:'],
  ])('is not %s: for our backends a URL is written', async (adapter, url) => {
    const { message } = await refusal(openLocks({ adapter }), 'LOCK_INVALID_ARGUMENT');
    expect(message).toContain(`not "${adapter}". For this backend write a URL, such as ${url}`);
  });

  it('an unknown scheme lists the own ones too', async () => {
    const schemes = { dynamo: () => memoryAdapter() };
    const error = await refusal(openLocks('dinamo://table', { schemes }), 'LOCK_INVALID_ARGUMENT');
    expect(error.message).toMatch(/Did you mean dynamo:\/\/\?.*Known: dynamo:, memory:/);
  });

  it('is refused when it makes something else', async () => {
    const schemes = { odd: () => ({ name: 'odd' }) as unknown as LockAdapter };
    const error = await refusal(openLocks('odd:', { schemes }), 'LOCK_INVALID_ARGUMENT');
    expect(error.message).toMatch(/handler of the scheme odd: must return a LockAdapter/);
    const module = await refusal(openLocks({ adapter: 'node:path' }), 'LOCK_INVALID_ARGUMENT');
    expect(module.message).toMatch(/unknown scheme/);
    const file = await refusal(openLocks({ adapter: './package.mjs' }), 'LOCK_INVALID_ARGUMENT');
    expect(file.message).toMatch(/cannot be loaded/);
  });

  it('has its errors cleared of the password, causes included', async () => {
    const leak = (text: string) => {
      const cause = Object.assign(new Error(`AUTH ${text} failed`), { command: { name: 'auth', args: [text] } });
      throw new Error(`no access with ${text}`, { cause });
    };
    for (const open of [
      () => openLocks({ adapter: `./${acme}`, password: 'hUnter/2', failWith: 'hUnter/2' }),
      () => openLocks({ adapter: `./${acme}`, password: 'hUnter/2', failWith: 'hUnter%2F2' }),
      () => openLocks('own://user:hUnter%2F2@host', { schemes: { own: () => leak('hUnter/2') } }),
      () => openLocks('own://user:hUnter%2F2@host', { schemes: { own: leak } }),
    ]) {
      const error = await refusal(open(), 'LOCK_BACKEND');
      expect(error.message).toMatch(/no access with .*\*\*\*/);
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/hUnter/);
    }
  });
});

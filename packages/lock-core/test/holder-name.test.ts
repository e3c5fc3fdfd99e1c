import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, type LockAdapter, LockError } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';

it('names the process that holds a lock: by default its host and pid', async () => {
  const locks = createLocks(memoryAdapter());
  await locks.acquire('a');
  const info = await locks.inspect('a');
  expect(info?.owner).toMatch(/^.+~\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ~[0-9a-f]{32}$/);
  const host = hostname();
  expect(info?.holder).toMatchObject({ name: `${host}:${process.pid}`, host, pid: process.pid });
  expect(JSON.parse(JSON.stringify(info)).holder.pid).toBe(process.pid);
  await locks.close();
});

it('shows the name as it was given, and puts nothing into the owner ID that a backend could take for a sign', async () => {
  const name = 'Büro 3/α:β ~ "x"';
  const locks = createLocks(memoryAdapter(), { name });
  await locks.acquire('a');
  const info = await locks.inspect('a');
  expect(info?.holder?.name).toBe(name);
  expect(info?.holder).not.toHaveProperty('pid');
  expect(info?.owner).toMatch(/^[\w:%.~-]+~[0-9a-f]{32}$/);
  await locks.close();
});

it('has no holder for an owner ID that another library made', async () => {
  const adapter = memoryAdapter();
  await adapter.tryAcquire({
    key: 'a',
    owner: 'somebody',
    ttlMs: 1_000,
    tokens: 1,
    signal: new AbortController().signal,
  });
  const locks = createLocks(adapter);
  expect((await locks.inspect('a'))?.holder).toBeUndefined();
  await locks.close();
});

it.each(['', 'x'.repeat(65), 7, '\ud800'])('refuses %j as a name', (name) => {
  expect(() => createLocks(memoryAdapter(), { name: name as string })).toThrow(LockError);
});

it('takes no part of a name for the time of the request', async () => {
  const name = 'a~2026-11-30T04:13:26Z';
  const locks = createLocks(memoryAdapter(), { name });
  await locks.acquire('a');
  expect((await locks.inspect('a'))?.holder?.name).toBe(name);
  await locks.close();
});

/** `Locks` of one memory store on one clock, half a second after a full one: `at` is the time since then. */
async function setUp() {
  const clock = manualClock();
  await clock.advance(1_500 - (clock.wallNow() % 1_000));
  const start = clock.wallNow();
  const at = (ms: number): Date => new Date(start + ms);
  const store = memoryStore();
  const open = (name: string, change: (adapter: LockAdapter) => void = () => {}) => {
    const adapter = memoryAdapter({ store, clock });
    change(adapter);
    return createLocks(adapter, { clock, name, localRun: { count: 9, ms: 60_000 } });
  };
  return { clock, open, at };
}

it('tells when a holder asked, and since when it has held the lock: renewals change neither', async () => {
  const { clock, open, at } = await setUp();
  const [one, two] = [open('one'), open('two')];
  const first = await one.acquire('a');
  const waiting = two.acquire('a');
  await clock.advance(45_000);
  expect((await two.inspect('a'))?.holder).toEqual({
    name: 'one',
    askedAt: at(-500),
    since: at(0),
  });
  await first.release();
  await (await waiting).renew();
  await clock.advance(45_000);
  const holder = { name: 'two', askedAt: at(-500), since: at(45_000) };
  expect((await one.inspect('a'))?.holder).toEqual(holder);
  expect((await two.inspect('a'))?.holder).toEqual(holder);
});

it('tells of its own hold since when it stands, also where the backend cannot, and after a hand-over', async () => {
  const { clock, open, at } = await setUp();
  const forget = (adapter: LockAdapter): void => {
    const inspect = adapter.inspect!.bind(adapter);
    adapter.inspect = async (key) => {
      const { since, ...info } = (await inspect(key))!;
      return info;
    };
  };
  const [one, other] = [open('one', forget), open('other', forget)];
  const first = await one.acquire('a');
  const waiting = one.acquire('a');
  await clock.advance(2_000);
  expect((await one.inspect('a'))?.holder?.since).toEqual(at(0));
  await first.release();
  const second = await waiting;
  const third = one.acquire('a');
  const { owner } = (await one.inspect('a'))!;
  await clock.advance(3_000);
  await second.release();
  await third;
  expect(await one.inspect('a')).toMatchObject({ owner, holder: { since: at(5_000) } });
  // The backend has a queue, and the holder may have waited in it.
  expect((await other.inspect('a'))?.holder).toEqual({ name: 'one', askedAt: at(1_500) });
});

it('takes the time of the request for that of the grant where no owner ID that was refused asks again', async () => {
  const { clock, open, at } = await setUp();
  const poll = (adapter: LockAdapter): void => {
    adapter.enqueue = undefined;
    const inspect = adapter.inspect!.bind(adapter);
    adapter.inspect = async (key) => {
      const { since, ...info } = (await inspect(key))!;
      return info;
    };
  };
  const [one, two] = [open('one', poll), open('two', poll)];
  const first = await one.acquire('a');
  const waiting = two.acquire('a');
  await clock.advance(20_000);
  await first.release();
  await clock.advance(10_000);
  await waiting;
  const since = (await one.inspect('a'))?.holder?.since?.getTime();
  expect(since).toBeGreaterThanOrEqual(at(19_500).getTime());
});

it('refuses an answer whose time is no date', async () => {
  const adapter = memoryAdapter();
  adapter.inspect = async (key) => ({
    key,
    owner: 'x',
    remainingMs: 1,
    fencingToken: 1n,
    waiters: 0,
    since: new Date(Number.NaN),
  });
  await expect(createLocks(adapter).inspect('a')).rejects.toMatchObject({ code: 'LOCK_BACKEND' });
});

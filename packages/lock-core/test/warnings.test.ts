import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { memoryAdapter, memoryStore } from '../../adapter-memory/src/index.ts';
import { createLocks, type Locks } from '../src/index.ts';
import { type ManualClock, manualClock } from '../src/testing.ts';

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

interface Warning {
  readonly key: string;
  readonly warning: string;
  readonly message: string;
}

const warnings: Warning[] = [];
const emitted: (Error & { code?: string })[] = [];
const onEvent = (message: unknown): void => void warnings.push(message as Warning);
const onWarning = (warning: Error): void => void emitted.push(warning);
let clock: ManualClock;
let locks: Locks;
let other: Locks;
let open: (name?: string) => Locks;

beforeEach(() => {
  warnings.length = 0;
  emitted.length = 0;
  subscribe('holdfast:warning', onEvent);
  process.on('warning', onWarning);
  clock = manualClock();
  const store = memoryStore();
  open = (name) => createLocks(memoryAdapter({ store, clock }), { clock, ttlMs: 3_000, name });
  [locks, other] = [open(), open('another process')];
});
afterEach(async () => {
  await locks.close();
  await other.close();
  unsubscribe('holdfast:warning', onEvent);
  process.off('warning', onWarning);
});

const told = (): string[] => warnings.map(({ key, warning }) => `${key} ${warning}`).sort();

/** Collects garbage until as many warnings came. */
const collected = (count: number) =>
  vi.waitFor(
    () => {
      gc();
      expect(warnings.length).toBeGreaterThanOrEqual(count);
    },
    { timeout: 20_000, interval: 5 },
  );

it('warns, once each, of holds that were garbage-collected without a release, and of no others', async () => {
  const kept = await locks.acquire('kept');
  await (await locks.acquire('released')).release();
  let leave = (): void => {};
  const body = locks.using('body', () => new Promise<void>((resolve) => (leave = resolve)));
  const outer = await locks.acquire('nested');
  // In calls of their own, so that no register and no variable keeps what they were given.
  await (async () => {
    await locks.acquire('forgotten');
    await locks.acquire('read', { mode: 'shared' });
    await locks.semaphore('pool', 3).acquire({ permits: 2 });
    await locks.acquireAll(['all:1', 'all:2']);
    await (await locks.acquire('nested', { owner: outer.owner })).release();
    await locks.acquire('nested', { owner: outer.owner });
  })();
  await clock.advance(2_000);
  await (await locks.acquire('released later')).release();
  await collected(6);
  const all = ['all:1', 'all:2', 'forgotten', 'nested', 'pool', 'read'].map((key) => `${key} unreleased`);
  expect(told()).toEqual(all);
  await clock.advance(9_000);
  for (let i = 0; i < 5; i += 1) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(told()).toEqual(all);
  expect(warnings[0]?.message).toMatch(/^lock "\S+" on memory was garbage-collected .* locks\.using\(\)$/);
  expect(emitted.map(({ name, code }) => `${name} ${code}`)).toEqual(
    all.map(() => 'HoldfastWarning HOLDFAST_UNRELEASED'),
  );
  expect([kept.state, outer.state]).toEqual(['held', 'held']);
  leave();
  await body;
  await kept.release();
});

it('says nothing of a lock that was released after its first renewal', async () => {
  const outer = await locks.acquire('nested');
  await (async () => {
    const lock = await locks.acquire('a');
    const inner = await locks.acquire('nested', { owner: outer.owner });
    await clock.advance(2_000);
    await lock.release();
    await inner.release();
    await locks.acquire('b');
  })();
  await clock.advance(2_000);
  await collected(1);
  expect(told()).toEqual(['b unreleased']);
  expect(outer.state).toBe('held');
});

it('warns once of a task that has waited for a whole lease for what its own process holds', async () => {
  const held = await locks.acquire('a');
  const waiting = [locks.acquire('a'), locks.acquire('a')];
  await clock.advance(2_900);
  expect(told()).toEqual([]);
  await clock.advance(1_200);
  expect(told()).toEqual(['a own-hold']);
  expect(warnings[0]?.message).toMatch(
    /waited for lock "a" on memory for [34] s, and this process itself has held it for [34] s/,
  );
  await clock.advance(60_000);
  expect(told()).toEqual(['a own-hold']);
  await held.release();
  const second = await waiting[0]!;
  await clock.advance(4_100);
  // Another hold, and the other task has waited for all of it.
  expect(told()).toEqual(['a own-hold', 'a own-hold']);
  await second.release();
  await (await waiting[1]!).release();
  expect(emitted.map(({ code }) => code)).toEqual(['HOLDFAST_OWN_HOLD', 'HOLDFAST_OWN_HOLD']);
});

it('tells of a task in the only Locks, where others have come and gone in every way', async () => {
  await other.close();
  const busy = { code: 'LOCK_TIMEOUT' };
  const held = await locks.acquire('a');
  const stop = new AbortController();
  const gone = [
    expect(locks.acquire('a', { waitMs: 100 })).rejects.toMatchObject(busy),
    expect(locks.acquire('a', { signal: stop.signal })).rejects.toBe('stopped'),
    expect(locks.acquire('a', { waitMs: 0 })).rejects.toMatchObject(busy),
    expect(locks.tryAcquire('a')).resolves.toBeUndefined(),
  ];
  const passed = locks.using('a', () => {});
  await clock.advance(200);
  stop.abort('stopped');
  await Promise.all(gone);
  await held.release();
  await passed;
  for (const options of [{}, { waitMs: 0 }, { mode: 'shared' as const }]) await locks.using('a', options, () => {});
  const again = await locks.acquire('a');
  const waiting = locks.acquire('a');
  await clock.advance(4_100);
  expect(told()).toEqual(['a own-hold']);
  await again.release();
  await (await waiting).release();
});

it('a writer behind readers of its process is such a task, and so is one for more permits than are left', async () => {
  const readers = [await locks.acquire('doc', { mode: 'shared' }), await other.acquire('pool 2')];
  const pool = locks.semaphore('pool', 5);
  const permits = await pool.acquire({ permits: 3 });
  const asked = [locks.acquire('doc'), pool.acquire({ permits: 3 }), locks.acquire('pool 2')];
  await clock.advance(6_000);
  expect(told()).toEqual(['doc own-hold', 'pool own-hold']);
  for (const lock of [...readers, permits]) await lock.release();
  for (const lock of asked) await (await lock).release();
});

it('waiting for another process is no such thing, nor for a lock that is not renewed, nor for locks that are passed on', async () => {
  const locked = await other.acquire('theirs');
  const theirs = locks.acquire('theirs');
  const pool = locks.semaphore('pool', 5);
  const mine = await pool.acquire({ permits: 2 });
  const others = await other.semaphore('pool', 5).acquire({ permits: 3 });
  const permit = pool.acquire({ permits: 3 });
  await locks.acquire('ends', { autoRenew: false });
  const next = locks.acquire('ends');
  const passing = Array.from({ length: 6 }, () =>
    locks.using('passed on', () => new Promise<void>((resolve) => clock.setTimeout(resolve, 2_000))),
  );
  await clock.advance(20_000);
  await Promise.all(passing);
  expect(told()).toEqual([]);
  for (const lock of [locked, mine, others]) await lock.release();
  for (const lock of [theirs, permit, next]) await (await lock).release();
});

it('tells of other Locks of the same name that wait for one hold, and of nobody who waits on another backend', async () => {
  await using same = open();
  await using elsewhere = createLocks(memoryAdapter({ store: memoryStore(), clock }), { clock, ttlMs: 3_000 });
  const held = [await locks.acquire('a'), await locks.acquire('b'), await other.acquire('c'), await locks.acquire('d')];
  const blocked = await other.acquire('elsewhere');
  const wait = [same.acquire('a'), same.acquire('c'), same.acquire('b', { mode: 'shared' })];
  const first = await elsewhere.acquire('d');
  const there = elsewhere.acquire('d');
  await clock.advance(10_000);
  expect(told()).toEqual(['a own-hold', 'b own-hold', 'd own-hold']);
  expect(warnings.filter(({ key }) => key === 'a').map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /lock "a" on memory for \d s, and this process itself has held it for \d s: .* the same Locks/,
    ),
  ]);
  for (const lock of [...held, first, blocked]) await lock.release();
  for (const lock of [...wait, there]) await (await lock).release();
});

it('asks a backend that does not answer about a waiter of other Locks once, and not at each renewal', async () => {
  const adapter = memoryAdapter({ store: memoryStore(), clock });
  let asked = 0;
  const inspect = (): Promise<never> => {
    asked += 1;
    return new Promise(() => {});
  };
  await using silent = createLocks({ ...adapter, inspect }, { clock, ttlMs: 3_000 });
  const held = await locks.acquire('a');
  const first = await adapter.tryAcquire({
    key: 'a',
    owner: 'x',
    ttlMs: 60_000,
    tokens: 1,
    signal: new AbortController().signal,
  });
  expect(first.status).toBe('granted');
  const leaving = new AbortController();
  const waiting = expect(silent.acquire('a', { signal: leaving.signal })).rejects.toThrow();
  await clock.advance(20_000);
  expect(asked).toBe(1);
  leaving.abort();
  await waiting;
  await held.release();
});

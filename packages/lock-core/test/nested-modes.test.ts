import { describe, expect, it } from 'vitest';
import { type Claim, createLocks, type Lock, type Locks } from '../src/index.ts';
import { codeOf, follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

const shared = { mode: 'shared' } as const;
const setUp = (options: Parameters<typeof twoClients>[0] = {}) => twoClients(options, 'fifo');

describe('nesting', () => {
  const nest = (locks: Locks, outer: object, inner: object): Promise<Lock> =>
    locks.using('k', outer, () => locks.using('k', inner, (lock) => lock));

  it('the same claim re-enters, and shared inside exclusive re-enters the exclusive hold', async () => {
    const { adapter, locks } = setUp();
    expect((await nest(locks, shared, shared)).mode).toBe('shared');
    expect((await nest(locks, {}, {})).mode).toBe('exclusive');
    expect((await nest(locks, {}, shared)).mode).toBe('exclusive');
    expect(adapter.calls.length).toBe(6);
  });

  it('H96: exclusive inside shared fails at once, with tryAcquire too, and the reader keeps its hold', async () => {
    const { adapter, locks } = setUp();
    await locks.using('k', shared, async (lock) => {
      const sent = adapter.calls.length;
      expect(await codeOf(locks.acquire('k'))).toBe('LOCK_SELF_DEADLOCK');
      expect(await codeOf(locks.tryAcquire('k'))).toBe('LOCK_SELF_DEADLOCK');
      expect(adapter.calls.length).toBe(sent);
      expect(lock.state).toBe('held');
    });
  });

  it('H97: a nested reader overtakes a writer that waits, here or elsewhere', async () => {
    const { clock, locks, other } = setUp();
    let nested: string | undefined;
    const reading = locks.using('k', shared, async () => {
      void other.acquire('k').then((lock) => lock.release());
      void locks.acquire('k', { owner: locks.createOwner() }).then((lock) => lock.release());
      await clock.advance(100);
      await locks.using('k', shared, (lock) => {
        nested = lock.state;
      });
    });
    await clock.advance(1);
    await reading;
    expect(nested).toBe('held');
    await clock.advance(10);
    expect(await other.inspect('k')).toBe(undefined);
  });

  it('tasks side by side in the body of a reader each share the key, and none is nested in the other', async () => {
    const { locks } = setUp();
    await locks.using('k', shared, async () => {
      const one = await locks.acquire('j', shared);
      expect(await locks.tryAcquire('j')).toBe(undefined);
      await one.release();
    });
  });

  it('an owner that waits for both: its reader comes in with the first grant, its writer is refused', async () => {
    const { clock, locks, other } = setUp();
    const owner = locks.createOwner();
    const held = await other.acquire('k');
    const first = follow(locks.acquire('k', { ...shared, owner }));
    const second = follow(locks.acquire('k', { ...shared, owner }));
    const writer = follow(locks.acquire('k', { owner }));
    await clock.advance(1);
    await held.release();
    await clock.advance(1);
    expect([first.state, second.state]).toEqual(['resolved', 'resolved']);
    expect(writer.error).toMatchObject({ code: 'LOCK_SELF_DEADLOCK' });
  });
});

describe('downgrade', () => {
  it('H98: lets in the readers that wait, here and elsewhere, and no writer; the token stays', async () => {
    const { clock, locks, other } = setUp();
    const lock = await locks.acquire('k');
    const here = follow(locks.acquire('k', shared));
    const elsewhere = follow(other.acquire('k', shared));
    const writer = follow(other.acquire('k'));
    await clock.advance(1);
    const token = lock.fencingToken!;
    await lock.downgrade();
    await clock.advance(1);
    expect([lock.mode, lock.state, lock.fencingToken]).toEqual(['shared', 'held', token]);
    expect([here.state, elsewhere.state, writer.state]).toEqual(['resolved', 'resolved', 'pending']);
    expect(here.value?.fencingToken).toBe(token);
    expect(elsewhere.value?.fencingToken).toBeGreaterThanOrEqual(token);
    await lock.downgrade();
    for (const reader of [lock, here.value, elsewhere.value]) await reader?.release();
    await clock.advance(1);
    expect(writer.value?.fencingToken).toBeGreaterThan(elsewhere.value!.fencingToken!);
  });

  it('is repeated until it is answered, and counts as shared from the send on', async () => {
    const { clock, adapter, locks, other } = setUp();
    const lock = await locks.acquire('k');
    adapter.next('downgrade', 'reply lost', 'rejected before');
    const done = follow(lock.downgrade());
    await clock.advance(10);
    expect(lock.mode).toBe('shared');
    expect((await other.acquire('k', shared)).mode).toBe('shared');
    await clock.advance(5_000);
    expect([done.state, lock.state]).toEqual(['resolved', 'held']);
    expect(await lock.release()).toBe('released');
  });

  it('without an answer it is LOCK_BACKEND in the end, and the lock stays, as a shared one', async () => {
    const { clock, adapter, locks } = setUp({ backendTimeoutMs: 3_000 });
    const lock = await locks.acquire('k');
    adapter.otherwise('downgrade', 'request lost');
    const done = follow(lock.downgrade());
    await clock.advance(6_000);
    expect(done.error).toMatchObject({ code: 'LOCK_BACKEND' });
    expect([lock.mode, lock.state]).toEqual(['shared', 'held']);
    expect(await lock.release()).toBe('released');
  });

  it('of a lock that was released, or lost, or that another one relies on', async () => {
    const { locks } = setUp();
    await locks.using('k', async (outer) => {
      const inner = await locks.acquire('k');
      await expect(inner.downgrade()).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
      await inner.release();
      await expect(inner.downgrade()).rejects.toMatchObject({ code: 'LOCK_RELEASED' });
      await outer.downgrade();
      expect(outer.mode).toBe('shared');
    });
    const lost = await locks.acquire('k');
    await locks.forceRelease('k');
    await expect(lost.downgrade()).rejects.toMatchObject({ code: 'LOCK_LOST' });
    const { locks: polled } = twoClients({}, 'none');
    await expect((await polled.acquire('k')).downgrade()).rejects.toMatchObject({ code: 'LOCK_UNSUPPORTED' });
  });

  it('one that was re-entered while a renewal was on its way is refused, and stays exclusive', async () => {
    const { clock, adapter, locks, other } = setUp();
    const owner = locks.createOwner();
    const lock = await locks.acquire('k', { owner });
    adapter.next('renew', { replyAfterMs: 100 });
    const renewed = follow(lock.renew());
    const done = follow(lock.downgrade());
    await clock.advance(10);
    const inner = await locks.acquire('k', { owner });
    await clock.advance(200);
    expect([renewed.state, done.error]).toEqual([
      'resolved',
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }),
    ]);
    expect([inner.mode, await other.tryAcquire('k', shared)]).toEqual(['exclusive', undefined]);
    await inner.release();
    await lock.downgrade();
    expect(await other.tryAcquire('k', shared)).toBeDefined();
  });

  it.each<[string, (lock: Lock) => Promise<void>]>([
    ['downgrade', (lock) => lock.downgrade()],
    ['shorter renew', (lock) => lock.renew(50)],
  ])('a %s that waits when its lock is released does nothing to what stays', async (_, ask) => {
    const { clock, adapter, locks, other } = setUp();
    const owner = locks.createOwner();
    const lock = await locks.acquire('k', { owner });
    adapter.next('renew', { replyAfterMs: 100 });
    const renewed = follow(lock.renew());
    const done = follow(ask(lock));
    await clock.advance(10);
    const stays = await locks.acquire('k', { owner });
    await lock.release();
    await clock.advance(200);
    expect([renewed.state, done.error]).toEqual(['resolved', expect.objectContaining({ code: 'LOCK_RELEASED' })]);
    expect([stays.mode, stays.state, await other.tryAcquire('k', shared)]).toEqual(['exclusive', 'held', undefined]);
    expect(stays.remainingMs).toBeGreaterThan(1_000);
  });

  it('after a local hand-over the readers get the token of the holder that downgraded', async () => {
    const { clock, locks, other } = setUp();
    const held = await other.acquire('k');
    const first = follow(locks.acquire('k'));
    const second = follow(locks.acquire('k'));
    const reader = follow(locks.acquire('k', shared));
    await clock.advance(1);
    await held.release();
    await clock.advance(1);
    await first.value?.release();
    await clock.advance(1);
    await second.value?.downgrade();
    await clock.advance(1);
    expect(reader.value?.fencingToken).toBe(second.value?.fencingToken);
    expect(second.value?.fencingToken).toBeGreaterThan(first.value!.fencingToken!);
  });
});

it('the adapter is told the claim of each attempt and of each hold', async () => {
  const { clock, adapter } = setUp();
  const seen: string[] = [];
  const noted =
    <Given extends [{ claim?: Claim | undefined }, ...unknown[]], Answer>(
      what: string,
      call: (...given: Given) => Answer,
    ) =>
    (...given: Given): Answer => {
      seen.push(`${what} ${given[0].claim?.mode}`);
      return call(...given);
    };
  const { tryAcquire, renew, release } = adapter;
  const noting = createLocks(
    {
      ...adapter,
      tryAcquire: noted('acquire', tryAcquire),
      renew: noted('renew', renew),
      release: noted('release', release),
    },
    { clock },
  );
  const reader = await noting.acquire('k', shared);
  await reader.renew();
  await reader.release();
  const permit = await noting.semaphore('s', 3).acquire({ permits: 2 });
  await permit.renew();
  await permit.release();
  await (await noting.acquire('k')).release();
  expect(seen).toEqual([
    'acquire shared',
    'renew shared',
    'release shared',
    'acquire permits',
    'renew permits',
    'release permits',
    'acquire exclusive',
    'release exclusive',
  ]);
});

it('an owner that asks twice at the same time has the key until it has released both', async () => {
  const { clock, adapter, locks, other } = twoClients({}, 'fifo');
  const owner = locks.createOwner();
  const [one, two] = await Promise.all([1, 2].map(() => locks.acquire('k', { mode: 'shared', owner })));
  expect(await one!.release()).toBe('released');
  expect([two!.state, adapter.calls.filter(({ operation }) => operation === 'release').length]).toEqual(['held', 0]);
  two!.assertHeld();
  expect(await two!.release()).toBe('released');
  await clock.advance(1);
  expect(await other.inspect('k')).toBe(undefined);
});

it('a reader that joins while a shorter renew is on its way keeps the lease that it asked for', async () => {
  const { clock, adapter, locks } = twoClients({}, 'fifo');
  const one = await locks.acquire('k', { mode: 'shared', ttlMs: 30_000 });
  adapter.next('renew', { replyAfterMs: 20 });
  const renewed = follow(one.renew(15_001));
  await clock.advance(1);
  const other = await locks.acquire('k', { mode: 'shared', ttlMs: 29_000 });
  await clock.advance(30_000);
  expect(renewed.state).toBe('resolved');
  expect(other.remainingMs).toBeGreaterThan(15_001);
  await locks.close();
});

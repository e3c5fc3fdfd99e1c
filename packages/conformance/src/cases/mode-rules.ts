import assert from 'node:assert/strict';
import { isLockError, type LockAdapter, type Locks } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { TooLate } from '../retrying-adapter.ts';
import { assertClaimFree, exclusive } from './claim-holds.ts';
import { queued } from './join-queue.ts';

/** An adapter that tells what it was asked for, by method and claim; and one that declares less than it has. */
function noting(right: LockAdapter, declares?: Partial<LockAdapter['capabilities']>) {
  const asked: string[] = [];
  const adapter = new Proxy(right, {
    get(target, name) {
      if (name === 'capabilities') return { ...target.capabilities, ...declares };
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        const claim = (args[0] as { claim?: { mode: string } } | undefined)?.claim;
        asked.push(`${String(name)} ${claim?.mode ?? 'exclusive'}`);
        return Reflect.apply(member, target, args);
      };
    },
  });
  return { adapter, asked };
}

/** Fails unless this is refused with the code, thrown or rejected. */
async function assertRefused(what: string, code: string, call: () => unknown): Promise<void> {
  let answer: unknown;
  try {
    await call();
    answer = 'no error';
  } catch (error) {
    if (error instanceof TooLate) throw error;
    answer = isLockError(error) ? error.code : error;
  }
  assert.equal(answer, code, `${what} must be refused with ${code}, and was answered with ${String(answer)}`);
}

/** What lock-core keeps of the modes. */
export const modeRuleCases: readonly Case[] = [
  {
    id: 'LK-0226',
    level: 'MUST',
    rule: 'C-184',
    title:
      'shared nests in shared and in exclusive, also past a writer that waits; exclusive in shared is refused at once',
    hazards: [96, 97],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const looker = await context.client();
      const key = context.key();
      const nested = one.using(key, { mode: 'shared' }, async (outer) => {
        for (const way of ['acquire', 'tryAcquire'] as const)
          await assertRefused('An exclusive request in a shared hold', 'LOCK_SELF_DEADLOCK', () =>
            context.soon('an exclusive request in a shared hold is refused at once', one[way](key)),
          );
        outer.assertHeld();
        const writing = context.begin(two.acquire(key));
        if (looker.enqueue) await queued(context, looker, key, 1);
        const here = context.begin(one.acquire(key, { owner: one.createOwner() }));
        await context.sleep(context.timing.pollMs);
        const inner = one.using(key, { mode: 'shared' }, (lock) => lock.fencingToken);
        assert.equal(await context.soon('a nested reader passes a writer that waits', inner), outer.fencingToken);
        outer.assertHeld();
        return { writing, here };
      });
      const { writing, here } = await context.soon(
        'the reader and what is nested in it end',
        nested,
        2 * context.boundMs,
      );
      const first = await context.soon('a writer is granted after the reader', Promise.race([writing, here]));
      assert.equal(await one.tryAcquire(key, { mode: 'shared' }), undefined, 'A reader got in beside a writer');
      await first.release();
      const [writer, second] = await context.soon('both writers are granted', Promise.all([writing, here]));
      // Without a queue in the backend the two are in no order.
      if (looker.enqueue) assert.equal(first, writer, 'The writer that waited first was not granted first');
      await (first === writer ? second : writer).release();
      await one.using(key, async (outer) => {
        const mode = await one.using(key, { mode: 'shared' }, (inner) => inner.mode);
        assert.equal(mode, 'exclusive', 'A shared request in an exclusive hold re-enters that hold');
        outer.assertHeld();
        const other = await two.tryAcquire(key, { mode: 'shared' });
        assert.equal(other, undefined, 'A shared lock that was nested in an exclusive one let in a reader');
      });
      await assertClaimFree(context, looker, key, exclusive, 'all have left');
    },
  },
  {
    id: 'LK-0227',
    level: 'MUST',
    rule: 'C-176',
    title: 'Lock.downgrade keeps the lock and its token, lets readers of other Locks in, and no writer',
    hazards: [98],
    requires: { shared: true },
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const lock = await one.acquire(key);
      const token = lock.fencingToken;
      const reading = context.begin(two.acquire(key, { mode: 'shared' }));
      await context.sleep(context.timing.pollMs);
      await lock.downgrade();
      const reader = await context.soon('a reader that waited is let in by the downgrade', reading);
      assert.equal(await two.tryAcquire(key), undefined, 'A writer got in beside one that had downgraded');
      lock.assertHeld();
      reader.assertHeld();
      assert.deepEqual([lock.mode, lock.fencingToken], ['shared', token], 'The lock after its downgrade');
      await lock.downgrade();
      assert.equal(await lock.release(), 'released');
      reader.assertHeld();
      assert.equal(await one.tryAcquire(key), undefined, 'A writer got in beside a reader');
      assert.equal(await reader.release(), 'released');
      await assertClaimFree(context, await context.client(), key, exclusive, 'all have left');
    },
  },
  {
    id: 'LK-0230',
    level: 'MUST',
    rule: 'C-185',
    title: 'shared false: shared locks and downgrades are LOCK_UNSUPPORTED, and nothing but exclusive claims is sent',
    hazards: [88],
    requires: { shared: false },
    run: (context) => assertWithoutShared(context),
  },
  {
    id: 'LK-0231',
    level: 'MUST',
    rule: 'C-186',
    title: 'permits false: a semaphore is LOCK_UNSUPPORTED, and no permits are sent',
    hazards: [88],
    requires: { permits: false },
    run: (context) => assertWithoutPermits(context),
  },
  {
    id: 'LK-0232',
    level: 'MUST',
    rule: 'C-183',
    title: 'limits and numbers of permits that make no sense are refused before anything is sent',
    hazards: [8, 99],
    requires: { permits: true },
    async run(context) {
      const { adapter, asked } = noting(await context.client());
      const locks = await context.locks({}, adapter);
      const key = context.key();
      for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 53, '3', null, undefined])
        await assertRefused(`A limit of ${String(limit)}`, 'LOCK_INVALID_ARGUMENT', () =>
          locks.semaphore(key, limit as number),
        );
      const pool = locks.semaphore(key, 3);
      for (const count of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 4, 2 ** 53, '2', null])
        for (const way of ['acquire', 'tryAcquire'] as const)
          await assertRefused(`A request for ${String(count)} of 3 permits`, 'LOCK_INVALID_ARGUMENT', () =>
            pool[way]({ permits: count as number }),
          );
      assert.deepEqual(asked, [], 'Requests that make no sense were sent');
      await (await pool.acquire({ permits: 3 })).release();
    },
  },
  {
    id: 'LK-0233',
    level: 'MUST',
    rule: 'C-188',
    title: 'a mode that the backend does not declare is refused by lock-core, whatever the backend could do',
    hazards: [87, 88],
    async run(context) {
      const less = { shared: false, permits: false };
      await assertWithoutShared(context, less);
      await assertWithoutPermits(context, less);
      const { capabilities, downgrade } = await context.client();
      if (capabilities.shared) assert.ok(downgrade, 'Declares "shared", but has no downgrade');
    },
  },
];

type Declared = Partial<LockAdapter['capabilities']>;

async function open(context: Context, declares?: Declared): Promise<{ locks: Locks; asked: readonly string[] }> {
  const { adapter, asked } = noting(await context.client(), declares);
  return { locks: await context.locks({}, adapter), asked };
}

async function assertWithoutShared(context: Context, declares?: Declared): Promise<void> {
  const { locks, asked } = await open(context, declares);
  const key = context.key();
  const mode = 'shared' as const;
  for (const way of ['acquire', 'tryAcquire'] as const)
    await assertRefused('A shared lock', 'LOCK_UNSUPPORTED', () => locks[way](key, { mode }));
  await assertRefused('A shared lock', 'LOCK_UNSUPPORTED', () => locks.using(key, { mode }, () => {}));
  assert.deepEqual(asked, [], 'A shared lock, which the backend does not declare, was asked for');
  const lock = await locks.acquire(key);
  await lock.renew();
  await assertRefused('A downgrade', 'LOCK_UNSUPPORTED', () => lock.downgrade());
  lock.assertHeld();
  assert.equal(lock.mode, 'exclusive');
  assert.equal(await lock.release(), 'released');
  assert.deepEqual(
    asked.filter((call) => /shared|permits|downgrade/.test(call)),
    [],
    'What the backend does not declare was asked of it',
  );
}

async function assertWithoutPermits(context: Context, declares?: Declared): Promise<void> {
  const { locks, asked } = await open(context, declares);
  const key = context.key();
  await assertRefused('A semaphore', 'LOCK_UNSUPPORTED', () => locks.semaphore(key, 3).acquire());
  assert.deepEqual(asked, [], 'Permits, which the backend does not declare, were asked for');
  await locks.using(key, (lock) => assert.equal(lock.mode, 'exclusive'));
}

import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { assertRelease } from './assert-release.ts';

/** Entering one's own lock again. */
export const reentrancyCases: readonly Case[] = [
  {
    id: 'LK-0079',
    level: 'MUST',
    rule: 'C-92',
    title: 'a nested acquire of the same context enters at once, under the same token and signal',
    hazards: [60],
    async run(context) {
      const locks = await context.locks();
      const key = context.key();
      await locks.using(key, async (outer) => {
        const nested = locks.using(key, (inner) => {
          assert.equal(inner.fencingToken, outer.fencingToken, 'A nested hold has another fencing token');
          assert.equal(inner.signal, outer.signal, 'A nested hold has another signal');
          assert.equal(inner.owner.id, outer.owner.id);
        });
        await context.soon('the nested using ends', nested, context.timing.graceMs);
      });
    },
  },
  {
    id: 'LK-0080',
    level: 'MUST',
    rule: 'C-93',
    title: 'only the last release frees: an inner one keeps the lock',
    hazards: [57, 60],
    async run(context) {
      const [locks, two] = [await context.locks(), await context.client()];
      const key = context.key();
      const owner = locks.createOwner('three deep');
      const holds = [];
      for (let depth = 0; depth < 3; depth++) holds.push(await locks.acquire(key, { owner }));
      for (const inner of [holds[2]!, holds[1]!]) {
        await inner.release();
        // A repeated release counts once.
        await inner.release();
        await context.assertBusy(two, key, 'the outermost hold is still there');
      }
      holds[0]!.assertHeld();
      await assertRelease(holds[0]!.release());
      await context.assertFree(two, key, 'the last hold was released');
    },
  },
  {
    id: 'LK-0081',
    level: 'MUST',
    rule: 'C-94',
    title: 'two unrelated tasks of one process exclude each other',
    hazards: [59],
    async run(context) {
      const locks = await context.locks();
      const key = context.key();
      const lock = await locks.acquire(key);
      assert.equal(await locks.tryAcquire(key), undefined, 'A second task entered the lock of the first');
      const other = await locks.tryAcquire(key, { owner: locks.createOwner() });
      assert.equal(other, undefined, 'Another explicit owner entered a held lock');
      await lock.release();
    },
  },
  {
    id: 'LK-0082',
    level: 'MUST',
    rule: 'C-95',
    title: 'owner.run binds the identity to everything in it, and to nothing outside',
    hazards: [59],
    async run(context) {
      const locks = await context.locks();
      const key = context.key();
      const owner = locks.createOwner('bound');
      const outer = await owner.run(() => locks.acquire(key));
      assert.equal(outer.owner.id, owner.id);
      const inner = await context.soon(
        'the bound owner enters again',
        owner.run(() => locks.acquire(key)),
      );
      assert.equal(await locks.tryAcquire(key), undefined, 'The owner leaked out of run');
      await inner.release();
      await assertRelease(outer.release());
    },
  },
  {
    id: 'LK-0083',
    level: 'MUST',
    rule: 'C-96',
    title: 'reentrant false: acquiring one’s own lock fails at once with LOCK_SELF_DEADLOCK',
    hazards: [],
    async run(context) {
      const locks = await context.locks();
      const key = context.key();
      await locks.using(key, async (lock) => {
        const nested = assert.rejects(
          locks.acquire(key, { reentrant: false }),
          { code: 'LOCK_SELF_DEADLOCK' },
          'To acquire one’s own lock with reentrant: false must fail',
        );
        await context.soon('LOCK_SELF_DEADLOCK comes', nested, context.timing.graceMs);
        lock.assertHeld();
      });
    },
  },
  {
    id: 'LK-0084',
    level: 'MUST',
    long: true,
    rule: 'C-97',
    title: 'nested holds are kept over two TTLs, and are lost together',
    hazards: [60],
    async run(context) {
      const locks = await context.locks();
      await context.watchBackend();
      const { leaseMs } = context.timing;
      const owner = locks.createOwner('nested');
      const options = { owner, ttlMs: leaseMs, maxHoldMs: 2 * leaseMs };
      const key = context.key();
      const outer = await locks.acquire(key, options);
      const inner = await locks.acquire(key, options);
      await context.sleep(1.5 * leaseMs);
      if (outer.remainingMs === 0) await context.assertMachineRan(leaseMs / 4);
      outer.assertHeld();
      inner.assertHeld();
      await context.eventually('both learn of the end', () => outer.signal.aborted && inner.signal.aborted);
      assert.deepEqual([outer.state, inner.state], ['lost', 'lost']);
      assert.deepEqual([await inner.release(), await outer.release()], ['lost', 'lost']);
    },
  },
  {
    id: 'LK-0117',
    level: 'MUST',
    rule: 'C-98',
    title: 'a nested acquisition takes the hold as it is: its own TTL and maxHoldMs have no effect',
    hazards: [60],
    async run(context) {
      const locks = await context.locks();
      const key = context.key();
      const owner = locks.createOwner('nested');
      const { ttlMs, quietMs } = context.timing;
      const outer = await locks.acquire(key, { owner });
      const inner = await locks.acquire(key, { owner, ttlMs, autoRenew: false, maxHoldMs: 1 });
      await context.sleep(quietMs);
      inner.assertHeld();
      assert.ok(inner.remainingMs > ttlMs, `${inner.remainingMs} ms left: the TTL of the inner one ended the hold`);
      await inner.release();
      outer.assertHeld();
      await assertRelease(outer.release());
    },
  },
];

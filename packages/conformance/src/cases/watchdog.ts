import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { recorded } from '../recording.ts';
import { assertRelease, assertReleased } from './assert-release.ts';

const DAY_MS = 86_400_000;

/** Automatic renewal. */
export const watchdogCases: readonly Case[] = [
  {
    id: 'LK-0043',
    level: 'MUST',
    long: true,
    rule: 'C-35',
    title: 'a lock is held over several TTLs, and nobody else is let in meanwhile',
    hazards: [58, 81],
    async run(context) {
      const [locks, two] = [await context.locks(), await context.client()];
      await context.watchBackend();
      const key = context.key();
      const { leaseMs, pollMs } = context.timing;
      const lock = await locks.acquire(key, { ttlMs: leaseMs });
      const stranger = context.attempt(key);
      const until = context.now() + 2.2 * leaseMs;
      while (context.now() < until) {
        const { status } = await two.tryAcquire(stranger);
        // One stall while it is granted and one when it is to be renewed: two of more than this can cost the lease.
        if (status === 'granted') await context.assertMachineRan(leaseMs / 4);
        assert.equal(status, 'busy', 'Another owner was let in while the watchdog kept the lock');
        await context.sleep(pollMs);
      }
      if (lock.remainingMs === 0) await context.assertMachineRan(leaseMs / 4);
      lock.assertHeld();
      await assertReleased(context, lock);
    },
  },
  {
    id: 'LK-0044',
    level: 'MUST',
    long: true,
    rule: 'C-36',
    title: 'one watchdog keeps 30 locks over two TTLs',
    hazards: [17, 90],
    async run(context) {
      const locks = await context.locks();
      await context.watchBackend();
      const { leaseMs } = context.timing;
      const held = await Promise.all(
        Array.from({ length: 30 }, () => locks.acquire(context.key(), { ttlMs: leaseMs })),
      );
      await context.sleep(2 * leaseMs);
      if (held.some(({ remainingMs }) => remainingMs === 0)) await context.assertMachineRan(leaseMs / 4);
      for (const lock of held) lock.assertHeld();
      await Promise.all(held.map((lock) => assertReleased(context, lock)));
    },
  },
  {
    id: 'LK-0045',
    level: 'MUST',
    long: true,
    rule: 'C-46',
    title: 'after the release nothing is sent for the hold, and the key stays free',
    hazards: [54],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const [locks, two] = [await context.locks({}, adapter), await context.client()];
      const key = context.key();
      const { leaseMs } = context.timing;
      const lock = await locks.acquire(key, { ttlMs: leaseMs });
      // Long enough for a renewal to be under way.
      await context.sleep(leaseMs / 2);
      const owner = commands.find((command) => command.key === key)?.owner;
      const outcome = await lock.release();
      const sent = commands.length;
      await context.sleep(leaseMs / 2);
      const late = commands.slice(sent).filter((command) => command.owner === owner);
      // On a machine that stalled for a whole lease there is an expired hold to clean up.
      if (outcome === 'lost') return;
      assert.deepEqual(
        late.map(({ name }) => name),
        [],
        'Commands for a hold after its release',
      );
      await context.assertFree(two, key, 'it was released');
    },
  },
  {
    id: 'LK-0046',
    level: 'MUST',
    long: true,
    rule: 'C-39',
    title: 'maxHoldMs ends a hold that is never released, and a waiter gets in',
    hazards: [50],
    async run(context) {
      const [one, two] = [await context.locks(), await context.locks()];
      const key = context.key();
      const { leaseMs, ttlMs } = context.timing;
      const startedAt = context.now();
      const hung = await one.acquire(key, { ttlMs: leaseMs, maxHoldMs: leaseMs + ttlMs });
      const next = await context.soon('the waiter gets in', two.acquire(key), context.boundMs + leaseMs + ttlMs);
      context.measures.heldForMs = context.now() - startedAt;
      assert.equal(hung.remainingMs, 0, 'The lock passed on, but its old holder still believes in it');
      await next.release();
    },
  },
  {
    id: 'LK-0047',
    level: 'MUST',
    rule: 'C-38',
    title: 'a TTL of 30 days is accepted and never spins a timer',
    hazards: [9, 10],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      for (const ttlMs of [30 * DAY_MS, 60 * DAY_MS]) {
        const key = context.key();
        const lock = await locks.acquire(key, { ttlMs });
        await context.sleep(context.timing.quietMs);
        const renewals = commands.filter((command) => command.key === key && command.name.startsWith('renew'));
        assert.ok(renewals.length <= 1, `${renewals.length} renewals of a lease of ${ttlMs / DAY_MS} days in a moment`);
        lock.assertHeld();
        await assertRelease(lock.release());
      }
    },
  },
];

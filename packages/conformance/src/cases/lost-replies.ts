import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { assertRelease, assertReleased } from './assert-release.ts';
import { assertWorks } from './works-again.ts';

const mostRequests = 4;

/** Matches the request of this number, as far as each comes in one piece. */
function nthRequest(nth: number): () => boolean {
  let seen = 0;
  return () => ++seen === nth;
}

/** The backend did what it was asked, and its answer never came; or the request itself never came. */
export const lostReplyCases: readonly Case[] = [
  {
    id: 'LK-0118',
    level: 'MUST',
    rule: 'C-132',
    title:
      'the reply to an acquire is lost with its connection: acquired all the same, once, and one release frees the key',
    hazards: [12, 13, 64, 80],
    needs: ['servers'],
    async run(context) {
      const [{ locks, faults }, two] = [await context.proxiedLocks(), await context.client()];
      // To acquire takes several requests on some backends: of each the reply is lost once.
      for (let nth = 1; nth <= mostRequests; nth++) {
        const key = context.key();
        let swallowed = 0;
        for (const proxy of faults.proxies) {
          const lost = proxy.swallowReplies({ match: nthRequest(nth), thenCut: true });
          lost.then(() => swallowed++).catch(() => {});
        }
        const lock = await context.soon(`acquired, reply ${nth} having been lost`, locks.acquire(key));
        await faults.heal();
        assert.ok(nth > 1 || swallowed > 0, 'No request of the acquire came through the proxies');
        lock.assertHeld();
        await context.assertBusy(two, key, `the lock is held, although reply ${nth} to its holder was lost`);
        await assertRelease(lock.release());
        await context.assertFree(two, key, 'its holder released it; a request whose reply was lost must hold nothing');
        if (swallowed === 0) break;
      }
    },
  },
  {
    id: 'LK-0119',
    level: 'MUST',
    rule: 'C-132',
    title: 'the connection is cut while an acquire is on its way: acquired all the same, and one release frees the key',
    hazards: [12, 27],
    needs: ['servers'],
    async run(context) {
      const [{ locks, faults }, two] = [await context.proxiedLocks(), await context.client()];
      const key = context.key();
      faults.hold('to-server');
      const acquiring = context.begin(locks.acquire(key));
      await context.sleep(context.timing.pollMs);
      faults.cut();
      await faults.heal();
      const lock = await context.soon('the acquire whose connection was cut is answered', acquiring);
      lock.assertHeld();
      await assertRelease(lock.release());
      await context.assertFree(two, key, 'its holder released it; a request that was cut off must hold nothing');
    },
  },
  {
    id: 'LK-0120',
    level: 'MUST',
    rule: 'C-50',
    title: 'the reply to a release is lost: "released", and what follows it up leaves the next holder alone',
    hazards: [14, 70],
    needs: ['servers'],
    async run(context) {
      const [{ locks, faults }, two] = [await context.proxiedLocks(), await context.client()];
      const key = context.key();
      const lock = await locks.acquire(key);
      faults.blackHole('to-client');
      const releasing = context.begin(lock.release());
      const next = await context.take(two, key);
      await faults.heal();
      await assertRelease(context.soon('the release is answered', releasing));
      // A client that works again has sent what it had to send.
      await assertWorks(context, locks);
      await context.sleep(context.timing.quietMs);
      const renewed = await two.renew(next, context.timing.longTtlMs);
      assert.equal(renewed.status, 'renewed', 'A release that was sent again took the lock from its next holder');
    },
  },
  {
    id: 'LK-0121',
    level: 'MUST',
    rule: 'C-50',
    title: 'the backend is silent at the release: "released" for the caller, and followed up when the backend is back',
    hazards: [14, 70],
    needs: ['servers'],
    async run(context) {
      const [{ locks, faults }, two] = [await context.proxiedLocks(), await context.client()];
      const key = context.key();
      const lock = await locks.acquire(key);
      faults.blackHole();
      await assertRelease(context.soon('the release ends', lock.release()));
      await faults.heal();
      // Long before its lease would end.
      await context.take(two, key);
    },
  },
  {
    id: 'LK-0122',
    level: 'MUST',
    long: true,
    rule: 'C-37',
    title: 'replies to renewals are lost and their connections cut, again and again: the lock is still held',
    hazards: [51, 58],
    needs: ['servers'],
    async run(context) {
      const [{ locks, faults }, two] = [await context.proxiedLocks(), await context.client()];
      await context.watchBackend();
      const key = context.key();
      // A twelfth of it is more than a machine that is busy stalls for.
      const leaseMs = Math.max(2 * context.timing.leaseMs, 5_287);
      const lock = await locks.acquire(key, { ttlMs: leaseMs });
      const until = context.now() + 1.5 * leaseMs;
      while (context.now() < until) {
        faults.blackHole('to-client');
        // Beside those of the watchdog, so that each time there is one.
        void context.begin(lock.renew());
        await context.sleep(leaseMs / 12);
        await faults.heal();
        await context.sleep((leaseMs * 5) / 12);
      }
      if (lock.remainingMs === 0) await context.assertMachineRan(leaseMs / 12);
      lock.assertHeld();
      await context.assertBusy(two, key, 'its holder renews it, although some replies are lost');
      await assertReleased(context, lock);
    },
  },
  {
    id: 'LK-0123',
    level: 'MUST',
    rule: 'C-16',
    title: 'replies take 0.8 of the TTL: the lease counts from the send, not from the reply',
    hazards: [28, 47],
    requires: { expiry: 'ttl' },
    needs: ['servers'],
    async run(context) {
      const [{ adapter, faults }, two] = [await context.proxied(), await context.client()];
      const key = context.key();
      const { ttlMs } = context.timing;
      faults.delay(0.8 * ttlMs, 'to-client');
      const sentAt = context.now();
      // Where the adapter has less patience, "unknown" is an answer.
      const asking = adapter.tryAcquire(context.attempt(key, { ttlMs })).catch(() => undefined);
      const outcome = await context.soon('a delayed reply comes', asking);
      await faults.heal();
      if (outcome?.status !== 'granted') return;
      await context.takeOver(two, key, sentAt + outcome.validForMs);
    },
  },
  {
    id: 'LK-0124',
    level: 'MUST',
    rule: 'C-54',
    title: 'a lock whose grant came late ends for its holder before another is let in',
    hazards: [28, 47],
    requires: { expiry: 'ttl' },
    needs: ['servers'],
    async run(context) {
      const { leaseMs } = context.timing;
      const { locks, faults } = await context.proxiedLocks({ attemptTimeoutMs: leaseMs, backendTimeoutMs: leaseMs });
      const two = await context.locks();
      const key = context.key();
      faults.delay(0.6 * leaseMs, 'to-client');
      const sentAt = context.now();
      const lock = await locks.acquire(key, { ttlMs: leaseMs, autoRenew: false }).catch((error: { code?: string }) => {
        assert.equal(error.code, 'LOCK_BACKEND');
        return undefined;
      });
      const most = sentAt + leaseMs - context.now();
      // Asked for as often as its answers came too late, the last time less than a lease ago.
      if (lock && context.now() - sentAt < leaseMs) {
        assert.ok(lock.remainingMs <= most + 1, `${lock.remainingMs} ms left, but no more than ${most} can be`);
      }
      await faults.heal();
      await context.soon('another gets the lock', two.acquire(key));
      if (lock)
        assert.equal(
          lock.remainingMs,
          0,
          `Another holds the lock, its old holder believes in ${lock.remainingMs} ms more`,
        );
    },
  },
];

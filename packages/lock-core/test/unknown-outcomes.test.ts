import { describe, expect, it } from 'vitest';
import { createLocks, LockError, type LocksOptions } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf, follow } from './support/outcome.ts';

function setUp(options: LocksOptions = {}) {
  const clock = manualClock();
  const adapter = faultyAdapter(clock);
  const isFree = async (): Promise<boolean> => (await adapter.backend.inspect?.('k')) === undefined;
  return { clock, adapter, isFree, locks: createLocks(adapter, { ttlMs: 30_000, clock, ...options }) };
}

describe('calls without an answer', () => {
  it('H12, H13: a lost reply to acquire is asked for again by the same owner', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.next('tryAcquire', 'reply lost', 'rejected after');
    const waiting = follow(locks.acquire('k'));
    await clock.advance(3_000);
    expect(waiting.state).toBe('resolved');
    const owners = adapter.calls.map((call) => call.owner);
    expect(new Set(owners).size).toBe(1);
    expect(await waiting.value!.release()).toBe('released');
  });

  it('H11: after giving up nothing is left, though the acquire took effect late', async () => {
    const { clock, adapter, locks, isFree } = setUp();
    adapter.next('tryAcquire', { arrivesAfterMs: 2_500, reply: 'lost' });
    const trying = codeOf(locks.tryAcquire('k'));
    await clock.advance(2_001);
    expect(await trying).toBe('LOCK_BACKEND');
    await clock.advance(600);
    expect(await isFree()).toBe(false);
    await clock.advance(2_000);
    expect(await isFree()).toBe(true);
  });

  it('H11: nothing is left after an abort', async () => {
    const { clock, adapter, locks, isFree } = setUp();
    const controller = new AbortController();
    adapter.next('tryAcquire', { arrivesAfterMs: 1_000 });
    const waiting = follow(locks.acquire('k', { signal: controller.signal }));
    await clock.advance(100);
    const why = new Error('changed my mind');
    controller.abort(why);
    await clock.advance(0);
    expect(waiting.error).toBe(why);
    await clock.advance(5_000);
    expect(await isFree()).toBe(true);
  });

  it('H11: the clean-up goes on while the backend is away, until it answers', async () => {
    const { clock, adapter, locks, isFree } = setUp({ backendTimeoutMs: 5_000 });
    adapter.next('tryAcquire', 'reply lost');
    adapter.otherwise('tryAcquire', 'request lost');
    adapter.otherwise('release', 'request lost');
    const waiting = codeOf(locks.acquire('k'));
    await clock.advance(6_000);
    expect(await waiting).toBe('LOCK_BACKEND');
    await clock.advance(10_000);
    expect(await isFree()).toBe(false);
    adapter.otherwise('release', 'ok');
    await clock.advance(5_000);
    expect(await isFree()).toBe(true);
  });

  it('H12: a second unanswered acquire that comes in behind the release is released as well', async () => {
    const { clock, adapter, locks, isFree } = setUp({ backendTimeoutMs: 3_000 });
    adapter.next('tryAcquire', 'reply lost', { arrivesAfterMs: 3_500, reply: 'lost' });
    const waiting = codeOf(locks.acquire('k'));
    await clock.advance(4_200);
    expect(await waiting).toBe('LOCK_BACKEND');
    await clock.advance(1_500);
    await clock.advance(10_000);
    expect(await isFree()).toBe(true);
  });

  it('H12: an unanswered acquire that comes in after the lock was used and released leaves nothing', async () => {
    const { clock, adapter, locks, isFree } = setUp();
    adapter.next('tryAcquire', { arrivesAfterMs: 3_000, reply: 'lost' });
    const waiting = follow(locks.acquire('k'));
    await clock.advance(2_100);
    expect(await waiting.value!.release()).toBe('released');
    await clock.advance(900);
    await clock.advance(6_000);
    expect(await isFree()).toBe(true);
  });

  it('H11, H14: a client that sends an acquire anew long after it was given up: what it is granted is released', async () => {
    const { clock, adapter, locks, isFree } = setUp();
    adapter.next('tryAcquire', { arrivesAfterMs: 20_000 });
    const trying = codeOf(locks.tryAcquire('k'));
    await clock.advance(2_001);
    expect(await trying).toBe('LOCK_BACKEND');
    await clock.advance(17_990);
    const releases = adapter.count('release');
    expect(await isFree()).toBe(true);
    await clock.advance(10);
    expect(await isFree()).toBe(true);
    expect(adapter.count('release')).toBe(releases + 1);
  });

  it('H11, H14: the same, arriving just before the last look is answered', async () => {
    const { clock, adapter, locks, isFree } = setUp();
    adapter.next('tryAcquire', { arrivesAfterMs: 4_050 });
    adapter.next('release', 'ok', { replyAfterMs: 100 });
    const trying = codeOf(locks.tryAcquire('k'));
    await clock.advance(2_001);
    expect(await trying).toBe('LOCK_BACKEND');
    await clock.advance(10_000);
    expect(await isFree()).toBe(true);
  });

  it('H12: an acquire that is answered twice for one hold does not end it', async () => {
    const { clock, adapter, locks, isFree } = setUp();
    adapter.next('tryAcquire', { arrivesAfterMs: 3_000 });
    const waiting = follow(locks.acquire('k'));
    await clock.advance(2_100);
    await clock.advance(5_000);
    expect(await isFree()).toBe(false);
    waiting.value!.assertHeld();
    expect(adapter.count('release')).toBe(0);
  });

  it('H14: a release without an answer is no loss; the reaper finishes it', async () => {
    const { clock, adapter, locks, isFree } = setUp();
    const lock = await locks.acquire('k');
    adapter.next('release', 'request lost', 'rejected before');
    const releasing = follow(lock.release());
    await clock.advance(2_001);
    expect(releasing.value).toBe('released');
    expect(await isFree()).toBe(false);
    await clock.advance(3_000);
    expect(await isFree()).toBe(true);
  });

  it('H14: a release that was applied and answered by an error is no loss either', async () => {
    const { adapter, locks, isFree } = setUp();
    const lock = await locks.acquire('k');
    adapter.next('release', 'rejected after');
    expect(await lock.release()).toBe('released');
    expect(await isFree()).toBe(true);
  });

  it('H45: a lease lost to a hung backend is released there as soon as it answers', async () => {
    const { clock, adapter, locks, isFree } = setUp({ ttlMs: 3_000 });
    const lock = await locks.acquire('k');
    // The backend freezes, and applies what was sent when it thaws.
    adapter.otherwise('renew', { arrivesAfterMs: 2_800 });
    adapter.next('release', 'request lost', 'request lost');
    await clock.advance(3_000);
    expect(lock.state).toBe('lost');
    await clock.advance(3_000);
    expect(await isFree()).toBe(true);
  });

  it('H85: an unreachable backend is an error, not a "no"', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.otherwise('tryAcquire', 'rejected before');
    const trying = codeOf(locks.tryAcquire('k'));
    const waiting = codeOf(locks.acquire('k'));
    const patient = codeOf(locks.acquire('k', { waitMs: 1_000 }));
    await clock.advance(15_000);
    expect(await trying).toBe('LOCK_BACKEND');
    expect(await waiting).toBe('LOCK_BACKEND');
    expect(await patient).toBe('LOCK_BACKEND');
  });

  it('the time of an unreachable backend is not paid by one waiter after the other', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.otherwise('tryAcquire', 'request lost');
    const waiting = Array.from({ length: 20 }, () => follow(locks.acquire('k')));
    await clock.advance(12_100);
    expect(waiting.map((one) => one.state)).toEqual(Array(20).fill('rejected'));
  });

  it('a long wait behind others of the process is not taken for a silent backend', async () => {
    const { clock, locks } = setUp();
    const first = await locks.acquire('k', { ttlMs: 20_000 });
    const waiting = follow(locks.acquire('k'));
    await clock.advance(60_000);
    await first.release();
    await clock.advance(1);
    expect(waiting.state).toBe('resolved');
  });

  it('a wait that is over gets LOCK_TIMEOUT only if the backend said busy', async () => {
    const { clock, adapter, locks } = setUp();
    await createLocks(adapter.backend, { clock, ttlMs: 60_000 }).acquire('k');
    const busy = codeOf(locks.acquire('k', { waitMs: 500 }));
    await clock.advance(600);
    expect(await busy).toBe('LOCK_TIMEOUT');
  });

  it('H24: inspect and forceRelease throw rather than guess', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.otherwise('inspect', 'rejected before');
    adapter.otherwise('forceRelease', 'request lost');
    const inspecting = codeOf(locks.inspect('k'));
    const forcing = codeOf(locks.forceRelease('k'));
    await clock.advance(15_000);
    expect(await inspecting).toBe('LOCK_BACKEND');
    expect(await forcing).toBe('LOCK_BACKEND');
  });

  it('inspect survives a lost reply', async () => {
    const { clock, adapter, locks } = setUp();
    await locks.acquire('k');
    adapter.next('inspect', 'reply lost', 'rejected after');
    const inspecting = follow(locks.inspect('k'));
    await clock.advance(4_000);
    expect(inspecting.value?.key).toBe('k');
  });

  it('close ends in bounded time with a mute backend, and leaves no timer', async () => {
    const { clock, adapter, locks } = setUp();
    const lock = await locks.acquire('k');
    adapter.otherwise('release', 'request lost');
    const closing = follow(locks.close());
    await clock.advance(10_000);
    expect(closing.state).toBe('resolved');
    expect(lock.state).toBe('lost');
    expect(clock.pending).toBe(0);
  });

  for (const answer of ['busy', 'not sent', 'refused'] as const) {
    it(`the clean-up ends as soon as the acquire is answered after all (${answer})`, async () => {
      const { clock, adapter, locks } = setUp();
      const { tryAcquire } = adapter;
      let reply = (): void => {};
      adapter.tryAcquire = () =>
        new Promise((resolve, reject) => {
          const notSent = answer === 'not sent';
          const error = new LockError('LOCK_BACKEND', answer, notSent ? { notSent } : { retryable: false });
          reply = () => (answer === 'busy' ? resolve({ status: 'busy' }) : reject(error));
        });
      const trying = codeOf(locks.tryAcquire('k'));
      await clock.advance(2_001);
      expect(await trying).toBe('LOCK_BACKEND');
      adapter.tryAcquire = tryAcquire;
      reply();
      await clock.advance(0);
      const released = adapter.count('release');
      await clock.advance(60_000);
      expect(adapter.count('release')).toBe(released);
      expect(clock.pending).toBe(0);
    });
  }

  it('H125: an answered release that may have come before the acquire is repeated with a growing pause', async () => {
    const { clock, adapter, locks, isFree } = setUp({ attemptTimeoutMs: 20 });
    adapter.next('tryAcquire', { arrivesAfterMs: 12_000, reply: 'lost' });
    expect(await Promise.all([codeOf(locks.tryAcquire('k')), clock.advance(40)])).toEqual(['LOCK_BACKEND', undefined]);
    await clock.advance(11_900);
    expect(adapter.count('release')).toBeGreaterThan(5);
    expect(adapter.count('release')).toBeLessThan(16);
    await clock.advance(3_000);
    expect(await isFree()).toBe(true);
    const released = adapter.count('release');
    await clock.advance(60_000);
    expect(adapter.count('release')).toBe(released);
  });

  it('a tryAcquire that failed and is to ask again is busy when another task here has the lock meanwhile', async () => {
    const { clock, adapter, locks } = setUp();
    adapter.next('tryAcquire', 'rejected before', 'ok');
    const trying = follow(locks.tryAcquire('k'));
    await clock.advance(1);
    const held = await locks.acquire('k');
    await clock.advance(10_000);
    expect([trying.state, trying.value]).toEqual(['resolved', undefined]);
    expect(await held.release()).toBe('released');
  });
});

import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { createLocks, type LockEvent } from '../src/index.ts';
import { manualClock } from '../src/testing.ts';
import { faultyAdapter } from './support/faulty-adapter.ts';
import { codeOf, follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

const setUp = () => {
  const clock = manualClock();
  const adapter = faultyAdapter(clock, { fairness: 'none' });
  return { clock, adapter, locks: createLocks(adapter, { ttlMs: 3_000, clock }) };
};

it('the diagnostics channels tell of each step', async () => {
  const { clock, adapter, locks } = setUp();
  const seen: string[] = [];
  const listeners = ['acquire', 'wait', 'grant', 'fail', 'renew', 'release', 'lost', 'reap'].map((name) => {
    const listener = (message: unknown) => {
      const { key, via, outcome } = message as { key: string; via?: string; outcome?: string };
      seen.push([name, key, via ?? outcome].filter(Boolean).join(' '));
    };
    channel(`holdfast:${name}`).subscribe(listener);
    return () => channel(`holdfast:${name}`).unsubscribe(listener);
  });
  const first = await locks.acquire('k');
  const second = locks.acquire('k');
  const third = locks.acquire('k');
  await first.release();
  await clock.advance(1);
  await (await second).release();
  await third;
  await clock.advance(1_000);
  adapter.otherwise('renew', 'request lost');
  await clock.advance(5_000);
  for (const stop of listeners) stop();
  expect(seen.filter((line) => line !== 'renew k unknown')).toEqual([
    'acquire k',
    'grant k backend',
    'acquire k',
    'wait k',
    'acquire k',
    'wait k',
    // Others get the time of a round trip first.
    'wait k',
    'release k released',
    'grant k backend',
    'grant k hand-over',
    'release k handed-over',
    'renew k renewed',
    'lost k',
    'reap k begun',
    'reap k released',
  ]);
});

it('the diagnostics channels tell how an acquisition ended without the lock, and which hold came of which acquisition', async () => {
  const { clock, adapter, locks } = setUp();
  const seen: LockEvent[] = [];
  const listener = (message: unknown, name: string | symbol) => seen.push({ ...(message as LockEvent), name });
  const names = ['acquire', 'grant', 'fail', 'release', 'lost'].map((name) => `holdfast:${name}`);
  for (const name of names) subscribe(name, listener);
  const held = await locks.acquire('k', { ttlMs: 5_000 });
  expect(await locks.tryAcquire('k')).toBeUndefined();
  const late = codeOf(locks.acquire('k', { waitMs: 50 }));
  const abort = new AbortController();
  const aborted = codeOf(locks.acquire('k', { signal: abort.signal }));
  await clock.advance(60);
  abort.abort(new Error('enough'));
  expect(await late).toBe('LOCK_TIMEOUT');
  expect(await aborted).toBe('Error: enough');
  expect(await codeOf(locks.acquire('k', { owner: held.owner, reentrant: false }))).toBe('LOCK_SELF_DEADLOCK');
  const next = locks.acquire('k', { ttlMs: 5_000 });
  await held.release();
  await clock.advance(1);
  adapter.otherwise('renew', 'request lost');
  await next;
  await clock.advance(6_000);
  for (const name of names) unsubscribe(name, listener);
  const failures = seen.filter(({ name }) => name === 'holdfast:fail');
  expect(failures.map(({ outcome }) => outcome)).toEqual(['busy', 'timeout', 'aborted', 'error']);
  expect(failures.map(({ waitedMs }) => waitedMs)).toEqual([0, 50, 60, 0]);
  expect(failures.at(-1)?.reason).toMatchObject({ code: 'LOCK_SELF_DEADLOCK' });
  // Each acquisition ends once, and each hold ends under the number of the acquisition that began it.
  const numbers = (...of: string[]) =>
    seen.filter(({ name }) => of.includes(String(name))).map(({ acquisition }) => acquisition);
  expect(numbers('holdfast:acquire').sort()).toEqual(numbers('holdfast:grant', 'holdfast:fail').sort());
  expect(new Set(numbers('holdfast:acquire')).size).toBe(6);
  expect(numbers('holdfast:grant')).toEqual(numbers('holdfast:release', 'holdfast:lost'));
  expect(seen.find(({ name }) => name === 'holdfast:grant')).toMatchObject({ ttlMs: 5_000, waitedMs: 0 });
  await locks.close();
});

for (const fairness of ['none', 'fifo'] as const) {
  for (const event of ['acquire', 'wait'] as const) {
    for (const act of ['abort', 'close'] as const) {
      it(`a subscriber of ${event} may ${act} at that moment: everybody has an answer and nothing is left (${fairness})`, async () => {
        const { clock, locks, other } = twoClients({}, fairness);
        const held = await other.acquire('k');
        const waiters = [
          follow(locks.acquire('k', { waitMs: 20_000 })),
          follow(locks.acquire('k', { waitMs: 20_000 })),
        ];
        await clock.advance(10);
        const controller = new AbortController();
        const reason = new Error('enough');
        let closing: Promise<void> | undefined;
        const subscriber = () => {
          unsubscribe(`holdfast:${event}`, subscriber);
          if (act === 'abort') controller.abort(reason);
          else closing = locks.close();
        };
        subscribe(`holdfast:${event}`, subscriber);
        const ended = follow(locks.acquire('k', { signal: controller.signal, waitMs: 20_000 }));
        await clock.advance(30_000);
        await closing;
        if (act === 'abort') expect(ended.error).toBe(reason);
        else expect(ended.error).toMatchObject({ code: 'LOCK_CLOSED' });
        const code = act === 'abort' ? 'LOCK_TIMEOUT' : 'LOCK_CLOSED';
        expect(waiters.map(({ error }) => (error as { code: string }).code)).toEqual([code, code]);
        await held.release();
        await clock.advance(60_000);
        expect(await other.inspect('k')).toBe(undefined);
        await other.close();
        expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
        expect(clock.pending).toBe(0);
        if (act === 'abort') expect(await locks.tryAcquire('k')).toBeDefined();
      });
    }
  }
}

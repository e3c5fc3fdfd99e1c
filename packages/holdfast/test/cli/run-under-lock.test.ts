import { memoryAdapter } from '@holdfast/adapter-memory';
import { createLocks, type Lock, systemClock } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import type { Events } from '../../src/cli/run/events.ts';
import { heldOne } from '../../src/cli/run/held.ts';
import { runUnderLock } from '../../src/cli/run/run-under-lock.ts';
import { stoppedText } from '../../src/cli/run/stop.ts';

const silent: Events = { problem() {}, progress() {}, record() {} };

it('H48: a stall right after the first look at the lock: the loss stops the command all the same', async () => {
  let stalledMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + stalledMs };
  await using locks = createLocks(memoryAdapter({ clock }), { clock });
  const held = await locks.acquire('key', { ttlMs: 1_000, autoRenew: false });
  const stalling = {
    key: held.key,
    fencingToken: held.fencingToken,
    get remainingMs() {
      return held.remainingMs;
    },
    get state() {
      return held.state;
    },
    get signal() {
      const { signal } = held;
      stalledMs = 10_000;
      return signal;
    },
  } as Lock;
  const options = { onLost: 'kill', graceMs: 500, minHoldMs: 0, passUrl: false } as const;
  expect(await runUnderLock(heldOne(stalling), ['sleep', '600'], options, silent)).toBe(79);
  expect(held.state).toBe('lost');
});

it('H48: the lease ended before the command did, although the loss was not heard of yet', async () => {
  let stalledMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + stalledMs };
  await using locks = createLocks(memoryAdapter({ clock }), { clock });
  const lock = await locks.acquire('key', { ttlMs: 60_000, autoRenew: false });
  const command = runUnderLock(
    heldOne(lock),
    ['true'],
    { onLost: 'kill', graceMs: 500, minHoldMs: 0, passUrl: false },
    silent,
  );
  stalledMs = 100_000;
  expect(await command).toBe(79);
});

it('says so when there was nothing left to stop', () => {
  expect(stoppedText({ asked: 0, killed: 0, left: [] })).toBe('It had ended already.');
});

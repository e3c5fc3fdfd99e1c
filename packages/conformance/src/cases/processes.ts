import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { checkHistory, renderText } from '../history/index.ts';
import { assertRelease } from './assert-release.ts';

/** Several processes, which are killed and paused. */
export const processCases: readonly Case[] = [
  {
    id: 'LK-0145',
    level: 'MUST',
    rule: 'C-130',
    title: 'what another process holds is busy, and its release lets a waiter of this one in',
    hazards: [59],
    requires: { crossProcess: true },
    needs: ['process'],
    async run(context) {
      const [other, locks, two] = [await context.process(), await context.locks(), await context.client()];
      const key = context.key();
      const { fencingToken } = await other.acquire(key, context.timing.longTtlMs);
      await context.assertBusy(two, key, 'another process holds it');
      const waiting = context.begin(locks.acquire(key));
      await context.sleep(context.timing.pollMs);
      await assertRelease(other.release());
      const lock = await context.soon('a waiter gets what another process released', waiting, context.timing.graceMs);
      if (context.harness.capabilities.fencing) assert.ok(lock.fencingToken! > fencingToken!, 'The token did not rise');
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0146',
    level: 'MUST',
    rule: 'C-140',
    title: 'what another process holds is free for this one: nobody may rely on more than is declared',
    hazards: [87],
    requires: { crossProcess: false },
    needs: ['process'],
    async run(context) {
      const [other, two] = [await context.process(), await context.client()];
      const key = context.key();
      await other.acquire(key, context.timing.longTtlMs);
      await context.assertFree(
        two,
        key,
        'the backend declares crossProcess: false, and it is another process that holds it',
      );
      await assertRelease(other.release());
    },
  },
  {
    id: 'LK-0147',
    level: 'MUST',
    long: true,
    rule: 'C-64',
    title: 'a process that holds a lock is killed: a waiter gets it when the lease or the session is over',
    hazards: [2, 81],
    requires: { crossProcess: true },
    needs: ['process'],
    async run(context) {
      const [other, locks] = [await context.process(), await context.locks()];
      const key = context.key();
      const { fencingToken } = await other.acquire(key, context.timing.leaseMs);
      const waiting = context.begin(locks.acquire(key));
      await context.sleep(context.timing.pollMs);
      const killedAt = context.now();
      await other.kill();
      const lock = await context.soon('the lock of a killed process comes free', waiting, 2 * context.boundMs);
      context.measures.freedAfterMs = context.now() - killedAt;
      if (context.harness.capabilities.fencing) assert.ok(lock.fencingToken! > fencingToken!, 'The token did not rise');
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0148',
    level: 'MUST',
    long: true,
    rule: 'C-59',
    title: 'a process that was paused past its lease knows at its first look that the lock is lost',
    hazards: [48],
    requires: { crossProcess: true },
    needs: ['process'],
    async run(context) {
      const [other, locks] = [await context.process(), await context.locks()];
      const key = context.key();
      await other.acquire(key, context.timing.leaseMs);
      assert.equal((await other.look()).state, 'held');
      other.pause();
      const lock = await context.soon(
        'the lock of a paused process comes free',
        locks.acquire(key),
        2 * context.boundMs,
      );
      // Asked while it sleeps, it answers before any of its timers.
      const looking = other.look();
      other.resume();
      const expected = { state: 'lost', remainingMs: 0, aborted: true, asserted: 'LOCK_LOST' };
      const seen = await context.soon('the process that was paused looks', looking, 2 * context.boundMs);
      assert.deepEqual(seen, expected, 'Another holds the lock, and the process that was paused does not know it');
      await assertRelease(other.release(), 'lost');
      lock.assertHeld();
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0149',
    level: 'MUST',
    long: true,
    rule: 'C-88',
    title: 'a process that was paused past its lease writes under its old token: the fenced resource refuses',
    hazards: [36, 48, 61, 78],
    requires: { crossProcess: true, fencing: true },
    needs: ['process'],
    async run(context) {
      const { register } = context;
      const [other, locks] = [await context.process(), await context.locks()];
      const key = context.key();
      await other.acquire(key, context.timing.leaseMs);
      assert.equal(await other.write(1), true, 'The holder could not write under its token');
      other.pause();
      const lock = await context.soon(
        'the lock of a paused process comes free',
        locks.acquire(key),
        2 * context.boundMs,
      );
      assert.equal(register.write(key, 2, lock.fencingToken), true, 'The new holder has no higher token');
      const writing = other.write(3);
      other.resume();
      const accepted = await context.soon('the process that was paused writes', writing, 2 * context.boundMs);
      assert.equal(accepted, false, 'A write under the token of a hold that had passed on was not refused');
      assert.equal(register.read(key), 2);
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0150',
    level: 'MUST',
    rule: 'C-130',
    title: 'three processes contend for two keys: their history shows one holder at a time, and no update is lost',
    hazards: [59, 72, 74, 77],
    requires: { crossProcess: true },
    needs: ['process'],
    async run(context) {
      const processes = await Promise.all([1, 2, 3].map(() => context.process()));
      const keys = [context.key(), context.key()];
      const contest = { keys, rounds: 8, tasks: 2, ttlMs: context.timing.longTtlMs };
      const running = Promise.all(processes.map((other) => other.contend(contest)));
      const results = await context.soon('three processes have had their turns', running, 3 * context.boundMs);
      const events = results.flatMap((result) => result.events).sort((a, b) => a.t - b.t);
      const { verdict, violations, history } = checkHistory(events);
      const drawn = violations.map((violation) => renderText(history, violation)).join('\n');
      assert.equal(verdict, 'valid', `The history of three processes is ${verdict}\n${drawn}`);
      for (const key of keys) {
        const turns = processes.length * contest.tasks * contest.rounds;
        assert.equal(context.register.read(key), turns, 'Updates under the lock were lost');
      }
    },
  },
];

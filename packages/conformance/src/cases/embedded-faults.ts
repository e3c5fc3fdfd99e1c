import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { type AdapterFault, adapterFaults } from '../faults/adapter-faults.ts';
import { assertRelease } from './assert-release.ts';

const faults: readonly AdapterFault[] = ['request-lost', 'reply-lost', 'twice', { delayMs: 25 }];

/** Answers that are lost, late or doubled, of any backend: also of one without a network. */
export const embeddedFaultCases: readonly Case[] = [
  {
    id: 'LK-0193',
    level: 'MUST',
    rule: 'C-132',
    title:
      'requests for a lock that are lost, answered in vain, made twice or late are one hold, which one release frees',
    hazards: [12, 13, 64],
    async run(context) {
      const two = await context.client();
      const trial = async (...suffered: readonly AdapterFault[]) => {
        const bad = adapterFaults(await context.client());
        const locks = await context.locks({ attemptTimeoutMs: Math.ceil(250 + 4 * context.latencyMs) }, bad.adapter);
        const key = context.key();
        bad.inject('tryAcquire', ...suffered);
        bad.inject('enqueue', ...suffered);
        const lock = await context.soon('acquired, though an answer was lost', locks.acquire(key));
        assert.ok(bad.injected > 0, 'No request of the acquire was made');
        lock.assertHeld();
        await context.assertBusy(two, key, 'the lock is held, although an answer to its holder was lost');
        bad.inject('release', context.random.pick(['reply-lost', 'twice', { delayMs: 10 }] as const));
        await assertRelease(lock.release());
        await context.assertFree(two, key, 'its holder released it; a request whose answer was lost must hold nothing');
      };
      const drawn = Array.from({ length: 4 }, () => [context.random.pick(faults), context.random.pick(faults)]);
      await Promise.all([...faults.map((fault) => trial(fault)), ...drawn.map((pair) => trial(...pair))]);
    },
  },
  {
    id: 'LK-0194',
    level: 'MUST',
    long: true,
    rule: 'C-50',
    title: 'releases and renewals whose answers are lost, or that are made twice, leave the next holder alone',
    hazards: [14, 70],
    async run(context) {
      const two = await context.client();
      const trial = async (...suffered: readonly AdapterFault[]) => {
        const bad = adapterFaults(await context.client());
        const locks = await context.locks({ attemptTimeoutMs: Math.ceil(250 + 4 * context.latencyMs) }, bad.adapter);
        const key = context.key();
        const lock = await locks.acquire(key);
        bad.inject('renew', ...suffered);
        bad.inject('renewMany', ...suffered);
        await lock.renew();
        lock.assertHeld();
        bad.inject('release', ...suffered);
        const releasing = lock.release();
        const next = await context.take(two, key);
        assert.equal(await releasing, 'released');
        await context.sleep(context.timing.quietMs);
        const renewed = await two.renew(next, context.timing.longTtlMs);
        assert.equal(renewed.status, 'renewed', 'A release that was sent again took the lock from its next holder');
        await assertRelease(two.release(next));
      };
      await Promise.all([trial('reply-lost'), trial('twice'), trial('request-lost'), trial('twice', 'reply-lost')]);
    },
  },
];

import assert from 'node:assert/strict';
import type { AcquireOptions } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import { recorded } from '../recording.ts';
import { assertRelease } from './assert-release.ts';

const BAD_DURATIONS = [
  Number.NaN,
  0,
  -1,
  1.5,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  '1000',
  null,
] as number[];
const refused = { code: 'LOCK_INVALID_ARGUMENT', retryable: false };

/** What is refused, before anything is sent. */
export const argumentCases: readonly Case[] = [
  {
    id: 'LK-0094',
    level: 'MUST',
    rule: 'C-105',
    title: 'a TTL that is no positive whole number is refused before anything is sent',
    hazards: [8],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      for (const ttlMs of BAD_DURATIONS) {
        await assert.rejects(async () => locks.acquire(context.key(), { ttlMs }), refused, `ttlMs: ${ttlMs}`);
        await assert.rejects(async () => locks.tryAcquire(context.key(), { ttlMs }), refused, `ttlMs: ${ttlMs}`);
      }
      assert.deepEqual(commands, []);
    },
  },
  {
    id: 'LK-0095',
    level: 'MUST',
    rule: 'C-106',
    title: 'a renewal with a bad TTL is refused before anything is sent, and the lock stays held',
    hazards: [8],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      const lock = await locks.acquire(context.key());
      const sent = commands.length;
      for (const ttlMs of BAD_DURATIONS) {
        await assert.rejects(async () => lock.renew(ttlMs), refused, `renew(${ttlMs})`);
      }
      assert.equal(commands.length, sent, 'A refused renewal was sent');
      lock.assertHeld();
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0096',
    level: 'MUST',
    rule: 'C-107',
    title: 'bad values of waitMs and maxHoldMs are refused before anything is sent',
    hazards: [8],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      const bad: AcquireOptions[] = [
        ...[Number.NaN, -1, '5'].map((waitMs) => ({ waitMs: waitMs as number })),
        ...[Number.NaN, -1, 0, '5'].map((maxHoldMs) => ({ maxHoldMs: maxHoldMs as number })),
      ];
      for (const options of bad) {
        await assert.rejects(async () => locks.acquire(context.key(), options), refused, JSON.stringify(options));
      }
      assert.deepEqual(commands, []);
      const lock = await locks.acquire(context.key(), {
        waitMs: Number.POSITIVE_INFINITY,
        maxHoldMs: Number.POSITIVE_INFINITY,
      });
      await assertRelease(lock.release());
    },
  },
  {
    id: 'LK-0097',
    level: 'MUST',
    rule: 'C-19',
    title: 'a TTL shorter than the backend’s shortest is raised, never refused and never endless',
    hazards: [8, 82],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { minMs, granularityMs } = context.harness.capabilities.ttl;
      const hold = await context.take(one, key, { ttlMs: 1 });
      const { validForMs } = hold.granted;
      assert.ok(
        validForMs > 0 && validForMs <= minMs + granularityMs,
        `A TTL of 1 ms gave a validity of ${validForMs} ms`,
      );
      await context.takeOver(two, key, hold.sentAt + validForMs);
    },
  },
  {
    id: 'LK-0115',
    level: 'MUST',
    rule: 'C-108',
    title: 'an option that does not exist is refused before anything is sent',
    hazards: [88],
    async run(context) {
      const { adapter, commands } = recorded(await context.client());
      const locks = await context.locks({}, adapter);
      const misspelt: object[] = [{ ttl: 1_000 }, { ttlms: 1_000 }, { waitMS: 5 }];
      for (const options of misspelt as AcquireOptions[]) {
        await assert.rejects(async () => locks.acquire(context.key(), options), refused, JSON.stringify(options));
        await assert.rejects(async () => locks.tryAcquire(context.key(), options), refused, JSON.stringify(options));
      }
      assert.deepEqual(commands, []);
    },
  },
];

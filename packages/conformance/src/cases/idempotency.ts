import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { assertRelease } from './assert-release.ts';

/** A lost, late or doubled reply is harmless. */
export const idempotencyCases: readonly Case[] = [
  {
    id: 'LK-0024',
    level: 'MUST',
    rule: 'C-11',
    title: 'the holder that asks again is granted again, with the same fencing token',
    hazards: [12, 13, 64],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const attempt = context.attempt(key);
      const first = await one.tryAcquire(attempt);
      assert.equal(first.status, 'granted');
      for (let i = 0; i < 3; i++) {
        const again = await one.tryAcquire(attempt);
        assert.equal(again.status, 'granted', 'The holder asked again and was refused its own lock');
        if (first.status !== 'granted' || again.status !== 'granted') return;
        assert.equal(again.fencingToken, first.fencingToken, 'Asking again changed the fencing token of the hold');
        assert.equal(again.tokens ?? 1, first.tokens ?? 1, 'Asking again changed the number of reserved tokens');
      }
      await context.assertBusy(two, key, 'its owner only asked again');
      await assertRelease(one.release(attempt));
    },
  },
  {
    id: 'LK-0025',
    level: 'MUST',
    long: true,
    rule: 'C-12',
    title: 'asking again begins a fresh lease',
    hazards: [12],
    requires: { expiry: 'ttl' },
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const { ttlMs, leaseMs } = context.timing;
      const attempt = context.attempt(key, { ttlMs: leaseMs });
      const first = await context.take(one, key, attempt);
      await context.sleep(ttlMs / 2);
      const again = await context.take(one, key, attempt);
      // A machine that stalled for the whole lease has a new hold here; the rule below is the same.
      assert.ok(again.granted.validForMs > 0, `The fresh lease is valid for ${again.granted.validForMs} ms`);
      const wanted = first.granted.validForMs / 2;
      assert.ok(again.granted.validForMs >= wanted, `The fresh lease is valid for ${again.granted.validForMs} ms only`);
      await context.takeOver(two, key, again.sentAt + again.granted.validForMs);
    },
  },
  {
    id: 'LK-0026',
    level: 'MUST',
    rule: 'C-13',
    title: 'ten requests of one owner at once are one hold, and one release frees it',
    hazards: [57, 60, 64],
    async run(context) {
      const [one, two] = [await context.client(), await context.client()];
      const key = context.key();
      const attempt = context.attempt(key);
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => one.tryAcquire(attempt)));
      const tokens = new Set<bigint | undefined>();
      for (const outcome of outcomes) {
        assert.equal(outcome.status, 'granted', 'Of ten requests of one owner at once, one was refused');
        if (outcome.status === 'granted') tokens.add(outcome.fencingToken);
      }
      assert.equal(tokens.size, 1, `Ten requests of one owner gave ${tokens.size} fencing tokens`);
      await context.assertBusy(two, key, 'one owner holds it');
      await assertRelease(one.release(attempt));
      await context.assertFree(two, key, 'its owner released it once; the backend must not count');
    },
  },
  {
    id: 'LK-0027',
    level: 'MUST',
    rule: 'C-14',
    title: 'a refused attempt leaves nothing behind',
    hazards: [11, 64],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const key = context.key();
      const hold = await context.take(one, key);
      await Promise.all(Array.from({ length: 10 }, () => two.tryAcquire(context.attempt(key))));
      await assertRelease(one.release(hold));
      await context.assertFree(three, key, 'only refused attempts were made after the release');
    },
  },
  {
    id: 'LK-0028',
    level: 'MUST',
    rule: 'C-15',
    title: 'enqueue of the owner that holds is granted at once, with the same fencing token',
    hazards: [64],
    needs: ['enqueue'],
    async run(context) {
      const adapter = await context.client();
      const key = context.key();
      const attempt = context.attempt(key);
      const hold = await context.take(adapter, key, attempt);
      const again = await context.soon('the holder’s own enqueue', adapter.enqueue!(attempt, attempt.signal));
      assert.equal(again.fencingToken, hold.fencingToken, 'Asking again changed the fencing token of the hold');
      await assertRelease(adapter.release(hold));
      await context.assertFree(adapter, key, 'its owner released it');
    },
  },
];

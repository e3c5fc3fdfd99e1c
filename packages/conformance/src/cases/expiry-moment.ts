import assert from 'node:assert/strict';
import type { AcquireAttempt, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context, RawHold } from '../context.ts';

/** What the holder does while its hold ends: true when the backend says that the hold is still, or again, its own. */
type Act = (holder: LockAdapter, hold: RawHold, attempt: AcquireAttempt) => Promise<boolean>;

/** From well before the end of a lease to just after it, in ms. */
const EARLIEST_MS = 34;
const LATEST_MS = 3;
const KEYS = 16;
/** The ends of the keys of one round are this far apart, so that their requests do not come in one heap. */
const SPREAD_MS = 120;
/** Rounds last as long as a lease: two of them, and more on a machine that is too busy to hit the moment. */
const ROUNDS_MS = 3_900;

/** Others that ask for a key again and again, each as one owner, until one is let in or they are stopped. */
interface Others {
  readonly granted: readonly {
    readonly attempt: AcquireAttempt;
    readonly by: LockAdapter;
    readonly fencingToken: bigint | undefined;
  }[];
  /** Resolves when none of them asks any more. */
  stop(): Promise<void>;
}

function contend(context: Context, adapters: readonly LockAdapter[], key: string): Others {
  const granted: { attempt: AcquireAttempt; by: LockAdapter; fencingToken: bigint | undefined }[] = [];
  let stopped = false;
  const ask = async (adapter: LockAdapter) => {
    const attempt = context.attempt(key);
    while (granted.length === 0 && !stopped) {
      const outcome = await adapter.tryAcquire(attempt);
      if (outcome.status === 'granted') granted.push({ attempt, by: adapter, fencingToken: outcome.fencingToken });
      else await context.sleep(1 + context.latencyMs / 2);
    }
  };
  const asking = context.begin(Promise.all(adapters.map(ask)));
  const stop = async () => {
    stopped = true;
    await asking;
  };
  return { granted, stop };
}

/** Waits until one is let in, and fails unless it is one alone and keeps the key. */
async function assertOneKeeps(
  context: Context,
  others: Others,
  adapters: readonly LockAdapter[],
  { key, fencingToken, granted }: RawHold,
  why: string,
) {
  await context.eventually('another gets the key', () => others.granted.length > 0, 2 * context.boundMs);
  await others.stop();
  assert.equal(others.granted.length, 1, `${others.granted.length} owners were let in when one hold was over`);
  // What the old holder has under way must not touch the new hold.
  await context.sleep(EARLIEST_MS + context.latencyMs);
  await context.assertBusy(adapters[0]!, key, `its new owner holds it; ${why}`);
  const { attempt, by, fencingToken: next } = others.granted[0]!;
  const last = fencingToken === undefined ? -1n : fencingToken + BigInt(granted.tokens ?? 1) - 1n;
  assert.ok(next === undefined || next > last, `After a hold with tokens up to ${last} came token ${next}`);
  const renewed = await by.renew(attempt, context.timing.longTtlMs);
  assert.equal(renewed.status, 'renewed', `The new owner does not have the key any more: ${why}`);
  await by.release(attempt);
}

/** The holder acts at the end of its lease, at many moments of many keys, while others ask for them. */
async function atTheEnd(context: Context, what: string, act: Act): Promise<void> {
  const [holder, ...rest] = [await context.client(), await context.client(), await context.client()];
  /** Gives whether the holder acted in time for a fault to show. */
  const trial = async (nth: number): Promise<boolean> => {
    const key = context.key();
    const ttlMs = context.timing.ttlMs + Math.floor(context.random.between(0, SPREAD_MS));
    const attempt = context.attempt(key, { ttlMs });
    const hold = await context.take(holder!, key, attempt);
    const endsAt = hold.sentAt + ttlMs;
    // Mostly in the last moments.
    const earliestMs = nth % 3 > 0 ? EARLIEST_MS / 4 : EARLIEST_MS;
    const actsAt = endsAt - context.latencyMs - context.random.between(-LATEST_MS, earliestMs);
    await context.until(actsAt - 5);
    const others = contend(context, rest, key);
    await context.until(actsAt);
    const inTime = context.now() < endsAt;
    const kept = await act(holder!, hold, attempt);
    if (!kept) {
      await assertOneKeeps(context, others, rest, hold, `${what} of the old one came too late`);
      return inTime;
    }
    // It holds for long from here on: whoever else was let in holds the key beside it.
    await context.sleep(2 * context.timing.pollMs + 2 * context.latencyMs);
    await others.stop();
    const { length } = others.granted;
    assert.equal(length, 0, `${what} at the end of a lease succeeded, and another owner was let in as well`);
    return inTime;
  };
  await context.race(
    async () => {
      const inTime = await Promise.all(Array.from({ length: KEYS }, (_, nth) => trial(nth)));
      return inTime.filter(Boolean).length;
    },
    { most: context.thorough ? 320 : 1.5 * KEYS, withinMs: Math.max(context.raceMs, ROUNDS_MS) },
  );
}

/** The moment at which a hold ends by itself. */
export const expiryMomentCases: readonly Case[] = [
  {
    id: 'LK-0161',
    level: 'MUST',
    long: true,
    rule: 'C-149',
    title: 'of many who ask for a key at the moment its hold ends by itself, exactly one is granted',
    hazards: [7, 84],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const { ttlMs } = context.timing;
      const { granularityMs, maxOvershootMs } = context.harness.capabilities.ttl;
      /** A key that ends by itself with nobody looking, then `count` requests at once or a little apart. */
      const trial = async (count: number, spreadMs: number, afterMs: number) => {
        const key = context.key();
        await context.take(clients[0]!, key, { ttlMs });
        const over = context.now() + ttlMs + granularityMs + maxOvershootMs + afterMs;
        await context.until(over);
        const attempts = Array.from({ length: count }, () => context.attempt(key));
        const ask = async (attempt: AcquireAttempt, i: number) => {
          if (spreadMs > 0) await context.sleep(context.random.between(0, spreadMs));
          return clients[i % 3]!.tryAcquire(attempt);
        };
        const outcomes = await Promise.all(attempts.map(ask));
        const winners = attempts.flatMap((attempt, i) =>
          outcomes[i]!.status === 'granted' ? [{ attempt, by: clients[i % 3]! }] : [],
        );
        assert.ok(
          winners.length <= 1,
          `${winners.length} of ${count} owners were granted a key whose hold had ended by itself`,
        );
        if (winners.length === 0) return;
        await context.assertBusy(clients[1]!, key, 'it was granted when the hold before it had ended by itself');
        const { attempt, by } = winners[0]!;
        const renewed = await by.renew(attempt, context.timing.longTtlMs);
        assert.equal(renewed.status, 'renewed', 'Who was granted the key of an ended hold does not have it');
        await by.release(attempt);
      };
      const trials = [
        trial(7, 0, 0),
        trial(13, 0, 5),
        trial(3, 40, 2),
        trial(11, 25, 0),
        trial(5, 3, 1),
        trial(2, 10, 0),
      ];
      await Promise.all(trials);
    },
  },
  {
    id: 'LK-0162',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-150',
    title: 'a renewal at the end of a lease either keeps the hold or is lost; never are there two holders',
    hazards: [5, 6, 84],
    requires: { expiry: 'ttl' },
    run: (context) =>
      atTheEnd(context, 'A renewal', async (holder, hold) => {
        return (await holder.renew(hold, context.timing.longTtlMs)).status === 'renewed';
      }),
  },
  {
    id: 'LK-0163',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-151',
    title: 'a release at the end of a lease frees that hold or nothing, also when it is repeated',
    hazards: [1, 84],
    requires: { expiry: 'ttl' },
    run: (context) =>
      atTheEnd(context, 'A release', async (holder, hold) => {
        await Promise.all([holder.release(hold), context.sleep(2).then(() => holder.release(hold))]);
        return false;
      }),
  },
  {
    id: 'LK-0164',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-150',
    title: 'a joint renewal at the end of a lease either keeps the hold or is lost; never are there two holders',
    hazards: [5, 6, 84],
    needs: ['renewMany'],
    requires: { expiry: 'ttl' },
    run: (context) =>
      atTheEnd(context, 'A joint renewal', async (holder, hold) => {
        const [answer] = await holder.renewMany!([hold], context.timing.longTtlMs);
        return answer?.status === 'renewed';
      }),
  },
  {
    id: 'LK-0165',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-150',
    title: 'the holder that asks again at the end of its lease has the key or is busy; never are there two holders',
    hazards: [12, 84],
    requires: { expiry: 'ttl' },
    run: (context) =>
      atTheEnd(context, 'To ask again', async (holder, { owner }, { key }) => {
        return (await holder.tryAcquire(context.attempt(key, { owner }))).status === 'granted';
      }),
  },
  {
    id: 'LK-0166',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-151',
    title: 'releases that are repeated while others ask free one hold: whoever is let in keeps the key',
    hazards: [1, 14],
    async run(context) {
      const [holder, two, three] = [await context.client(), await context.client(), await context.client()];
      const keys = Array.from({ length: 8 }, () => context.key());
      const trial = async (key: string) => {
        const hold = await context.take(holder, key);
        const others = contend(context, [two, three], key);
        const releases = [0, context.random.between(0, 3), context.random.between(0, 8)].map(async (ms) => {
          await context.sleep(ms);
          return [await holder.release(hold), await holder.renew(hold, context.timing.longTtlMs)];
        });
        await Promise.all(releases);
        await assertOneKeeps(context, others, [three, two], hold, 'the old one sent its release again');
      };
      await context.race(
        async () => {
          await Promise.all(keys.map(trial));
          return keys.length;
        },
        { most: 200 },
      );
    },
  },
];

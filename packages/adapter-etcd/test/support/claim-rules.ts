import type { Claim, LockAdapter } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import {
  claimed,
  counts,
  enqueue,
  exclusive,
  isBusy,
  newKey,
  permits,
  shared,
  take,
  until,
  type Waiter,
} from './claim-requests.ts';

/**
 * The grant rule of claims, over two clients of a backend with a queue. A waiter that must not be granted is asked about after
 * another one was that the same event, or a later one, admitted.
 */
export function describeClaimRules(clients: () => readonly [LockAdapter, LockAdapter]): void {
  it('H91, H92: readers hold together; a writer waits for all of them, and a reader behind it waits for the writer', async () => {
    const [one, two] = clients();
    const key = newKey();
    const readers = [await take(one, key, shared), await take(two, key, shared), await take(one, key, shared)];
    expect(await isBusy(two, key, exclusive)).toBe(true);
    const writer = await enqueue(two, key);
    expect(await isBusy(one, key, shared)).toBe(true);
    const [late, later] = [await enqueue(one, key, shared), await enqueue(two, key, shared)];
    expect(await counts(one, key)).toEqual([3, 3]);
    for (const reader of readers) {
      expect(writer.isGranted()).toBe(false);
      expect(await one.release(reader)).toBe('released');
    }
    expect((await writer.granted).fencingToken).toBeGreaterThan(readers[2]!.fencingToken!);
    expect(late.isGranted()).toBe(false);
    expect(await two.release(writer)).toBe('released');
    await Promise.all([late.granted, later.granted]);
    expect(await counts(two, key)).toEqual([2, 0]);
    expect(await one.renew(late, 30_000)).toMatchObject({ status: 'renewed' });
    expect(await two.renew(later, 30_000)).toMatchObject({ status: 'renewed' });
    for (const reader of [late, later]) expect(await one.release(reader)).toBe('released');
    expect(await two.inspect!(key)).toBeUndefined();
  });

  it('H92: a writer that gives up lets the readers behind it join those before it', async () => {
    const [one, two] = clients();
    const key = newKey();
    const holder = await take(one, key, shared);
    const writer = await enqueue(two, key);
    const reader = await enqueue(one, key, shared);
    const second = await enqueue(two, key);
    await writer.leave();
    await reader.granted;
    expect(second.isGranted()).toBe(false);
    await one.release(holder);
    await two.release(reader);
    await second.granted;
    await one.release(second);
  });

  it('H98: a downgrade admits the readers behind it, in its own process and in others, and no writer', async () => {
    const [one, two] = clients();
    const key = newKey();
    const holder = await take(one, key);
    const [near, far] = [await enqueue(one, key, shared), await enqueue(two, key, shared)];
    const writer = await enqueue(two, key);
    expect(await one.downgrade!(holder, 30_000)).toMatchObject({ status: 'renewed' });
    await Promise.all([near.granted, far.granted]);
    expect(await one.downgrade!({ ...holder, claim: shared }, 30_000)).toMatchObject({ status: 'renewed' });
    expect(await two.inspect!(key)).toMatchObject({ owner: holder.owner, mode: 'shared', holders: 3, waiters: 1 });
    expect(await one.renew({ ...holder, claim: shared }, 20_000)).toMatchObject({ status: 'renewed' });
    // A change of the lease has not brought the exclusive claim back.
    expect(await two.inspect!(key)).toMatchObject({ mode: 'shared', holders: 3 });
    expect(await one.tryAcquire(claimed(key, shared, { owner: near.owner }))).toMatchObject({ status: 'granted' });
    await Promise.all([one.release(near), two.release(far)]);
    expect(writer.isGranted()).toBe(false);
    expect(await one.release(holder)).toBe('released');
    await writer.granted;
    await two.release(writer);
    expect(await one.downgrade!(holder, 30_000)).toEqual({ status: 'lost' });
  });

  it('H98: a reader that asks after a downgrade joins at once, and no reader joins a writer that is not downgraded', async () => {
    const [one, two] = clients();
    const key = newKey();
    const holder = await take(one, key);
    expect(await isBusy(two, key, shared)).toBe(true);
    await one.downgrade!(holder, 30_000);
    await two.release(await take(two, key, shared));
    const reader = await enqueue(two, key, shared);
    await reader.granted;
    await one.release(holder);
    await two.release(reader);
    await one.release(await take(one, key));
  });

  it('H94, H95: permits are granted in order while the sum fits, and whoever leaves admits those who fit then', async () => {
    const [one, two] = clients();
    const key = newKey();
    const [a, b] = [await take(one, key, permits(2, 4)), await take(two, key, permits(1, 4))];
    const large = await enqueue(two, key, permits(3, 4));
    // There is room for it, but the large one is before it.
    expect(await isBusy(one, key, permits(1, 4))).toBe(true);
    const [small, last] = [await enqueue(one, key, permits(1, 4)), await enqueue(two, key, permits(2, 4))];
    expect(await two.inspect!(key)).toMatchObject({ mode: 'permits', limit: 4, holders: 2, waiters: 3 });
    await one.release(a);
    await large.granted;
    expect(small.isGranted()).toBe(false);
    // In the middle of the holders and of those who wait.
    await two.release(b);
    await small.granted;
    expect(last.isGranted()).toBe(false);
    await one.release(large);
    await last.granted;
    const tokens = await Promise.all([large, small, last].map(async ({ granted }) => (await granted).fencingToken!));
    expect(tokens).toEqual([...tokens].sort((x, y) => (x < y ? -1 : 1)));
    for (const hold of [small, last]) expect(await two.release(hold)).toBe('released');
    expect(await one.inspect!(key)).toBeUndefined();
  });

  it('H95: a large request that gives up in the middle of the queue admits the small ones behind it', async () => {
    const [one, two] = clients();
    const key = newKey();
    const holders = await Promise.all([1, 2].map(() => take(one, key, permits(1, 4))));
    const large = await enqueue(one, key, permits(4, 4));
    const small = await Promise.all([one, two, two].map((client) => enqueue(client, key, permits(1, 4))));
    await large.leave();
    await until(() => small.filter((one) => one.isGranted()).length === 2);
    expect(await counts(two, key)).toEqual([4, 1]);
    // The older of the holders stays.
    await one.release(holders[1]!);
    await Promise.all(small.map(({ granted }) => granted));
    for (const hold of [holders[0]!, ...small]) await two.release(hold);
  });

  it('a limit of 1 is a lock, and all permits at once exclude everybody', async () => {
    const [one, two] = clients();
    const key = newKey();
    const first = await take(one, key, permits(1, 1));
    const [second, third] = [await enqueue(two, key, permits(1, 1)), await enqueue(one, key, permits(1, 1))];
    await one.release(first);
    await second.granted;
    expect(third.isGranted()).toBe(false);
    await two.release(second);
    await third.granted;
    await one.release(third);
    const all = await take(one, key, permits(1_000, 1_000));
    expect(await isBusy(two, key, permits(1, 1_000))).toBe(true);
    await one.release(all);
  });

  it('C-196: readers that hold together have one token, above those of the writers before them, below those after', async () => {
    const [one, two] = clients();
    const key = newKey();
    const first = await take(one, key);
    await one.downgrade!(first, 30_000);
    const readers = [await take(two, key, shared), await take(one, key, shared)];
    for (const hold of [first, ...readers]) await one.release(hold);
    const next = await take(two, key);
    // The holder may have handed the lock over inside its process for as long as its block of tokens lasted.
    for (const reader of readers) expect(reader.fencingToken).toBe(first.fencingToken! + 65_535n);
    await two.release(next);
    const together = [await take(one, key, shared), await take(two, key, shared), await enqueue(two, key, shared)];
    const tokens = [
      together[0]!.fencingToken,
      together[1]!.fencingToken,
      (await (together[2] as Waiter).granted).fencingToken,
    ];
    expect(tokens[0]).toBeGreaterThan(next.fencingToken!);
    expect(tokens).toEqual([tokens[0], tokens[0], tokens[0]]);
    await one.release(together[0]!);
    // Whoever asks again has the token that it had, though the first of them is gone.
    const again = await two.tryAcquire(claimed(key, shared, { owner: together[1]!.owner }));
    expect(again).toMatchObject({ status: 'granted', fencingToken: tokens[0] });
    for (const hold of together.slice(1)) await two.release(hold);
    const last = await take(one, key);
    expect(last.fencingToken).toBeGreaterThan(tokens[0]!);
    await one.release(last);
  });

  it('H99: another limit, or another kind of use, is refused with both named, and leaves nothing in the queue', async () => {
    const [one, two] = clients();
    const uses: [first: Claim, others: [claim: Claim, words: RegExp][]][] = [
      [
        permits(2, 3),
        [
          [permits(1, 5), /limit of 3.*limit of 5/],
          [exclusive, /limit of 3.*exclusive/],
          [shared, /limit of 3.*shared/],
        ],
      ],
      [exclusive, [[permits(1, 5), /exclusive.*limit of 5/]]],
      [shared, [[permits(1, 5), /shared.*limit of 5/]]],
    ];
    for (const [first, others] of uses) {
      const key = newKey();
      const hold = await take(one, key, first);
      for (const [claim, message] of others) {
        const refusal = {
          code: 'LOCK_INVALID_ARGUMENT',
          retryable: false,
          message: expect.stringMatching(message),
          key,
        };
        await expect(two.tryAcquire(claimed(key, claim))).rejects.toMatchObject(refusal);
        await expect(enqueue(two, key, claim)).rejects.toMatchObject(refusal);
        expect(await counts(one, key)).toEqual([1, 0]);
      }
      await one.release(hold);
      // Nobody uses it any more.
      await two.release(await take(two, key, others[0]![0]));
    }
  });

  it('H99: requests for another use that come together are all refused: none stands for the others', async () => {
    const [one, two] = clients();
    for (const [first, other] of [
      [permits(1, 3), exclusive],
      [permits(1, 3), permits(1, 2)],
      [shared, permits(1, 2)],
    ] as const) {
      const key = newKey();
      const hold = await take(one, key, first);
      const refused = await Promise.allSettled(
        [one, two, two, two].map(async (client) => (await enqueue(client, key, other)).granted),
      );
      for (const outcome of refused)
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'LOCK_INVALID_ARGUMENT' } });
      await one.release(hold);
    }
  });

  it('H106, H112: a forced release frees one holder or all, and never one that waits', async () => {
    const [one, two] = clients();
    const key = newKey();
    const readers = [await take(one, key, shared), await take(two, key, shared)];
    const writer = await enqueue(two, key);
    const force = one.forceRelease as (key: string, owner?: string) => Promise<boolean>;
    expect(await force(key, writer.owner)).toBe(false);
    expect(await force(key, readers[1]!.owner)).toBe(true);
    expect(await force(key, readers[1]!.owner)).toBe(false);
    expect(await counts(two, key)).toEqual([1, 1]);
    expect(await one.renew(readers[0]!, 30_000)).toMatchObject({ status: 'renewed' });
    expect(await two.renew(readers[1]!, 30_000)).toEqual({ status: 'lost' });
    expect(await force(key)).toBe(true);
    await writer.granted;
    await two.release(writer);
    const holds = [await take(one, key, permits(1, 2)), await take(two, key, permits(1, 2))];
    expect(await force(key)).toBe(true);
    expect(await one.inspect!(key)).toBeUndefined();
    for (const hold of holds) expect(await two.release(hold)).toBe('not-held');
  });

  it('H100: a release frees the permits of its owner and no others, also when it is repeated', async () => {
    const [one, two] = clients();
    const key = newKey();
    const [mine, other] = [await take(one, key, permits(2, 3)), await take(two, key, permits(1, 3))];
    expect(await one.release(mine)).toBe('released');
    expect(await one.release(mine)).toBe('not-held');
    expect(await two.renew(other, 30_000)).toMatchObject({ status: 'renewed' });
    expect(await isBusy(one, key, permits(3, 3))).toBe(true);
    await two.release(other);
  });

  it('the owner that asks again has the permits that it had, whatever has come since', async () => {
    const [one, two] = clients();
    const key = newKey();
    const attempt = claimed(key, permits(2, 3), { tokens: 5 });
    const first = await one.tryAcquire(attempt);
    const waiter = await enqueue(two, key, permits(2, 3));
    const again = await one.tryAcquire(attempt);
    expect({ ...again, validForMs: 0 }).toEqual({ ...first, validForMs: 0 });
    expect(await counts(two, key)).toEqual([1, 1]);
    await one.release(attempt);
    await waiter.granted;
    await two.release(waiter);
  });
}

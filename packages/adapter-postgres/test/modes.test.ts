import type { AcquireAttempt, Claim, LockAdapter } from '@holdfast/lock-core';
import { type PostgresServer, startPostgres } from '@holdfast/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLockSchema, postgresAdapter } from '../src/index.ts';
import { attempt, eventually, grant, newName } from './support.ts';

let server: PostgresServer;
let one: LockAdapter;
let two: LockAdapter;
beforeAll(async () => {
  server = await startPostgres();
  await createLockSchema({ url: server.url });
  one = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
  two = postgresAdapter({ url: server.url, callTimeoutMs: 20_000 });
});
afterAll(async () => {
  await one?.close?.();
  await two?.close?.();
  await server?.stop();
});

const shared: Claim = { mode: 'shared' };
const exclusive: Claim = { mode: 'exclusive' };
const permits = (count: number, limit: number): Claim => ({ mode: 'permits', permits: count, limit });
const asking = (key: string, claim: Claim): AcquireAttempt => attempt(key, { claim });

async function queued(
  adapter: LockAdapter,
  asked: AcquireAttempt,
): Promise<{ isGranted(): boolean; granted: Promise<unknown> }> {
  let [isQueued, isGranted] = [false, false];
  const queuedAttempt = attempt(asked.key, {
    ...asked,
    onQueued: () => {
      isQueued = true;
    },
  });
  const granted = adapter.enqueue!(queuedAttempt, new AbortController().signal).then(() => {
    isGranted = true;
  });
  await eventually('it is queued', () => isQueued);
  return { isGranted: () => isGranted, granted };
}

it('the view tells people who holds what, since when and how', async () => {
  const [key, pool] = [newName(), newName()];
  const owner = `web-1:4711~2026-11-30T04:13:26Z~${'0'.repeat(32)}`;
  await grant(one, { ...asking(key, exclusive), owner });
  await grant(one, { ...asking(pool, permits(2, 5)), owner });
  await grant(two, asking(`${pool}ü\0`, shared));
  const seen = async (wanted: string) =>
    server.query(
      `SELECT key, holder, mode, permits::int, since <= clock_timestamp() AS began, waiting::int FROM holdfast.held WHERE key LIKE '${wanted}%'`,
    );
  expect(await seen(key)).toEqual([
    { key, holder: 'web-1:4711', mode: 'exclusive', permits: null, began: true, waiting: 0 },
  ]);
  expect(await seen(pool)).toMatchObject([
    { key: pool, mode: 'permits of 5', permits: 2 },
    { key: `${pool}\\303\\274\\000`, mode: 'shared', permits: null },
  ]);
});

it('readers share a key, and a writer waits for all of them', async () => {
  const key = newName();
  const [a, b, writer] = [asking(key, shared), asking(key, shared), asking(key, exclusive)];
  await grant(one, a);
  await grant(two, b);
  expect(await one.inspect?.(key)).toMatchObject({ owner: a.owner, mode: 'shared', holders: 2, limit: undefined });
  const waiting = await queued(two, writer);
  await one.release(a);
  expect(waiting.isGranted()).toBe(false);
  await two.release(b);
  await waiting.granted;
  expect(await one.inspect?.(key)).toMatchObject({ owner: writer.owner, mode: 'exclusive', holders: 1 });
  await two.release(writer);
});

it('H91, H92: a reader does not overtake a queued writer, and readers behind it are admitted together', async () => {
  const key = newName();
  const reader = asking(key, shared);
  await grant(one, reader);
  const writer = asking(key, exclusive);
  const first = await queued(two, writer);
  expect(await one.tryAcquire(asking(key, shared))).toMatchObject({ status: 'busy' });
  const late = [await queued(one, asking(key, shared)), await queued(two, asking(key, shared))];
  await one.release(reader);
  await first.granted;
  expect(late.map((each) => each.isGranted())).toEqual([false, false]);
  await two.release(writer);
  await Promise.all(late.map(({ granted }) => granted));
  expect(await one.inspect?.(key)).toMatchObject({ holders: 2 });
});

it('H98: a downgrade admits the readers that wait first, and no writer', async () => {
  const key = newName();
  const hold = asking(key, exclusive);
  const { fencingToken } = await grant(one, hold);
  const reader = await queued(two, asking(key, shared));
  const writer = await queued(two, asking(key, exclusive));
  expect(await one.downgrade?.(hold, 60_000)).toEqual({ status: 'renewed', validForMs: 60_000 });
  await reader.granted;
  expect(writer.isGranted()).toBe(false);
  expect(await one.inspect?.(key)).toMatchObject({ mode: 'shared', holders: 2, fencingToken });
  // Once more, as after a lost answer.
  expect(await one.downgrade?.(hold, 60_000)).toMatchObject({ status: 'renewed' });
  expect(await one.renew(hold, 60_000)).toMatchObject({ status: 'renewed' });
  expect(await one.forceRelease?.(key)).toBe(true);
  await writer.granted;
});

it('permits are granted up to the limit, in order, and a large request is not starved by small ones', async () => {
  const key = newName();
  const [a, b] = [asking(key, permits(3, 5)), asking(key, permits(2, 5))];
  const tokens = [await grant(one, a), await grant(two, b)].map(({ fencingToken }) => fencingToken!);
  expect(tokens[1]).toBeGreaterThan(tokens[0]!);
  expect(await one.inspect?.(key)).toMatchObject({ mode: 'permits', holders: 2, limit: 5 });
  const large = await queued(two, asking(key, permits(4, 5)));
  const small = await queued(one, asking(key, permits(1, 5)));
  await two.release(b);
  expect(await one.tryAcquire(asking(key, permits(1, 5)))).toMatchObject({ status: 'busy' });
  expect([large.isGranted(), small.isGranted()]).toEqual([false, false]);
  await one.release(a);
  await Promise.all([large.granted, small.granted]);
});

it('H99: another limit, or another kind of use, is refused while the key is in use', async () => {
  const key = newName();
  const hold = asking(key, permits(1, 5));
  await grant(one, hold);
  const refused = { code: 'LOCK_INVALID_ARGUMENT', retryable: false };
  await expect(two.tryAcquire(asking(key, permits(1, 6)))).rejects.toMatchObject({
    ...refused,
    message: expect.stringMatching(/limit 5.*limit 6/),
  });
  await expect(two.tryAcquire(asking(key, exclusive))).rejects.toMatchObject(refused);
  await expect(two.enqueue!(asking(key, shared), new AbortController().signal)).rejects.toMatchObject(refused);
  await one.release(hold);
  const lock = asking(key, exclusive);
  await grant(two, lock);
  await expect(one.tryAcquire(hold)).rejects.toMatchObject(refused);
  await two.release(lock);
});

it('H94, H100: the permit of a crashed holder comes free, and its late release frees nothing else', async () => {
  const key = newName();
  const crashed = attempt(key, { claim: permits(1, 1), ttlMs: 300 });
  await grant(one, crashed);
  const next = asking(key, permits(1, 1));
  await two.enqueue!(next, new AbortController().signal);
  expect(await one.release(crashed)).toBe('not-held');
  expect(await one.inspect?.(key)).toMatchObject({ owner: next.owner });
});

it('a shared hold carries a token that is no lower than that of the last exclusive one, and lower than the next', async () => {
  const key = newName();
  const [first, reader, last] = [asking(key, exclusive), asking(key, shared), asking(key, exclusive)];
  const before = (await grant(one, first)).fencingToken!;
  await one.release(first);
  const between = (await grant(two, reader)).fencingToken!;
  await two.release(reader);
  const after = (await grant(one, last)).fencingToken!;
  expect(between).toBeGreaterThanOrEqual(before);
  expect(after).toBeGreaterThan(between);
});

import { describe, expect, it } from 'vitest';
import { createLocks } from '../src/index.ts';
import { cutOff, freeAfterMs, reconnect } from './support/grace.ts';
import { codeOf, follow } from './support/outcome.ts';
import { type TwoClients, twoClients } from './support/two-clients.ts';

const terms = { ttlMs: 3_000, graceMs: 10_000 };

describe.each(['none', 'fifo'] as const)('graceMs (fairness %s)', (fairness) => {
  it('after a crash nobody gets the key for that much longer, however it was renewed', async () => {
    const clients = twoClients({}, fairness);
    await clients.locks.acquire('k', terms);
    cutOff(clients);
    expect(await freeAfterMs(clients)).toBe(13_000);

    const renewed = twoClients({}, fairness);
    await renewed.locks.acquire('k', terms);
    await renewed.clock.advance(60_000);
    cutOff(renewed);
    const afterMs = await freeAfterMs(renewed);
    expect(afterMs).toBeGreaterThan(11_900);
    expect(afterMs).toBeLessThanOrEqual(13_000);

    const longer = twoClients({}, fairness);
    const lock = await longer.locks.acquire('k', { ...terms, autoRenew: false });
    await lock.renew(6_000);
    expect(lock.remainingMs).toBeLessThanOrEqual(6_000);
    expect(lock.remainingMs).toBeGreaterThan(5_900);
    cutOff(longer);
    expect(await freeAfterMs(longer)).toBe(16_000);
  });

  it('H110: a release frees the key at once', async () => {
    const clients = twoClients({}, fairness);
    await (await clients.locks.acquire('k', terms)).release();
    expect(await freeAfterMs(clients)).toBe(0);
    const held = await clients.locks.acquire('k2', terms);
    const waiting = follow(clients.other.acquire('k2'));
    await clients.clock.advance(50);
    await held.release();
    await clients.clock.advance(50);
    expect(waiting.state).toBe('resolved');
  });

  it('the lease itself is no longer than without: the loss is told at its end, and inspect tells the rest', async () => {
    const clients = twoClients({}, fairness);
    const { clock, locks } = clients;
    const lock = await locks.acquire('k', { ...terms, autoRenew: false });
    expect(lock.remainingMs).toBeLessThanOrEqual(3_000);
    expect(lock.remainingMs).toBeGreaterThan(2_900);
    expect((await locks.inspect('k'))?.remainingMs).toBe(13_000);
    await clock.advance(3_000);
    expect(lock.state).toBe('lost');
    expect(await locks.tryAcquire('k')).toBeUndefined();
    expect(await freeAfterMs(clients)).toBe(10_000);
  });

  it('the lease counts from before the request, and so from before a renewal, all the same', async () => {
    const clients = twoClients({}, fairness);
    const { clock, adapter } = clients;
    for (const operation of ['tryAcquire', 'enqueue', 'renew'] as const)
      adapter.otherwise(operation, { replyAfterMs: 400 });
    const asked = follow(clients.locks.acquire('k', terms));
    await clock.advance(400);
    expect(asked.value!.remainingMs).toBeLessThanOrEqual(2_600);
    const renewed = follow(asked.value!.renew());
    await clock.advance(400);
    expect(renewed.state).toBe('resolved');
    expect(asked.value!.remainingMs).toBeLessThanOrEqual(2_600);
    expect(asked.value!.remainingMs).toBeGreaterThan(2_500);
    void clients.locks.close();
  });

  it('after a loss that its holder could not prevent the key stays busy, until the holder releases', async () => {
    const clients = twoClients({}, fairness);
    const { clock, locks } = clients;
    const lock = await locks.acquire('k', terms);
    cutOff(clients);
    await clock.advance(3_500);
    expect(lock.state).toBe('lost');
    reconnect(clients);
    await clock.advance(2_000);
    expect(await clients.other.inspect('k')).toBeDefined();
    // Its work is over: nothing of it can still arrive.
    expect(await lock.release()).toBe('lost');
    await clock.advance(0);
    expect(await freeAfterMs(clients)).toBe(0);
  });

  it('a body that ends after the loss frees the key; of nested locks the last one does', async () => {
    const clients = twoClients({}, fairness);
    const { clock, locks } = clients;
    let seen: string[] = [];
    const inspected = async () => ((await clients.other.inspect('k')) === undefined ? 'free' : 'busy');
    const used = follow(
      locks.using('k', { ...terms, autoRenew: false }, async () => {
        const inner = await locks.acquire('k');
        await new Promise((resolve) => clock.setTimeout(() => resolve(undefined), 4_000));
        await inner.release();
        seen = [...seen, inner.state, await inspected()];
      }),
    );
    await clock.advance(4_001);
    expect(used.state).toBe('resolved');
    expect([...seen, await inspected()]).toEqual(['lost', 'busy', 'free']);
  });

  it.each([
    ['close', terms, ({ locks }: TwoClients): Promise<unknown> => locks.close()],
    ['a forced release', terms, ({ other }: TwoClients): Promise<unknown> => other.forceRelease('k')],
  ] as const)('%s frees the key at once', async (_, options, end) => {
    const clients = twoClients({}, fairness);
    await clients.locks.acquire('k', options);
    await clients.clock.advance(600);
    await end(clients);
    expect(await freeAfterMs(clients)).toBe(0);
  });

  it('after maxHoldMs the key stays busy for the grace, since its holder is still at work, or until it releases', async () => {
    const clients = twoClients({}, fairness);
    const { clock, locks } = clients;
    const options = { ...terms, graceMs: 2_000, maxHoldMs: 500 };
    const lock = await locks.acquire('k', options);
    await clock.advance(500);
    expect(lock.state).toBe('lost');
    // No longer: a holder that hangs has not renewed it.
    expect(await freeAfterMs(clients)).toBe(2_000);
    const soon = await locks.acquire('k', options);
    await clock.advance(600);
    expect(await soon.release()).toBe('lost');
    await clock.advance(0);
    expect(await freeAfterMs(clients)).toBe(0);
  });

  it('close frees what is in its grace', async () => {
    const clients = twoClients({}, fairness);
    await clients.locks.acquire('k', { ...terms, autoRenew: false });
    await clients.clock.advance(3_500);
    await clients.locks.close();
    expect(await freeAfterMs(clients)).toBe(0);
  });

  it('a late answer to an acquire does not end the grace', async () => {
    const clients = twoClients({ attemptTimeoutMs: 100 }, fairness);
    const { clock, adapter } = clients;
    const operation = fairness === 'fifo' ? 'enqueue' : 'tryAcquire';
    // The first answer comes after the lease that the second one begins.
    if (operation === 'tryAcquire') adapter.next('tryAcquire', { replyAfterMs: 5_000 });
    const asked = follow(clients.locks.acquire('k', { ...terms, autoRenew: false }));
    await clock.advance(4_000);
    expect(asked.value?.state).toBe('lost');
    await clock.advance(2_000);
    expect(await clients.other.inspect('k')).toBeDefined();
    await clients.locks.close();
  });

  it('is handed over only to whoever asks for the same', async () => {
    const clients = twoClients({}, fairness);
    const { clock, locks } = clients;
    const held = await locks.acquire('k', terms);
    const same = follow(locks.acquire('k', terms));
    const other = follow(locks.acquire('k', { ttlMs: 3_000 }));
    await clock.advance(10);
    await held.release();
    await clock.advance(10);
    await same.value?.release();
    await clock.advance(1_100);
    expect(other.state).toBe('resolved');
    cutOff(clients);
    expect(await freeAfterMs(clients)).toBeLessThanOrEqual(3_000);
  });

  it('renewals that go together ask for the grace of each', async () => {
    const clients = twoClients({}, fairness);
    await clients.locks.acquire('a', terms);
    await clients.locks.acquire('b', { ttlMs: 3_000 });
    await clients.locks.acquire('c', terms);
    await clients.clock.advance(30_000);
    const left = await Promise.all(['a', 'b', 'c'].map(async (key) => (await clients.other.inspect(key))?.remainingMs));
    expect(left.map((ms) => ms! > 10_000)).toEqual([true, false, true]);
    expect(clients.adapter.count('renewMany')).toBeGreaterThan(20);
    await clients.locks.close();
  });

  it('is a default of the locks, too; what is no time is refused', async () => {
    const clients = twoClients({ graceMs: 5_000, ttlMs: 1_000 }, fairness);
    await clients.locks.acquire('k');
    cutOff(clients);
    expect(await freeAfterMs(clients)).toBe(6_000);
    for (const graceMs of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', null]) {
      const options = { graceMs: graceMs as number };
      expect(await codeOf(clients.locks.acquire('k', options)), String(graceMs)).toBe('LOCK_INVALID_ARGUMENT');
    }
  });
});

it('where holds end with a session graceMs is refused, before anything is sent', async () => {
  const { adapter } = twoClients();
  const session = { ...adapter, capabilities: { ...adapter.capabilities, expiry: 'session' as const } };
  const locks = createLocks(session);
  expect(await codeOf(locks.acquire('k', { graceMs: 1 }))).toBe('LOCK_UNSUPPORTED');
  expect(await codeOf(locks.usingAll(['k'], { graceMs: 1 }, () => {}))).toBe('LOCK_UNSUPPORTED');
  expect(await codeOf(locks.lead('k', () => {}, { graceMs: 1 }))).toBe('LOCK_UNSUPPORTED');
  expect(adapter.calls).toEqual([]);
  expect(() => createLocks(session, { graceMs: 1 })).toThrow(expect.objectContaining({ code: 'LOCK_UNSUPPORTED' }));
  expect(() => createLocks(adapter, { graceMs: 1 })).not.toThrow();
});

it('a leader that lost its term does not wait for its own grace', async () => {
  const clients = twoClients();
  const { clock } = clients;
  let led = 0;
  const leading = follow(
    clients.locks.lead(
      'k',
      async (term) => {
        led += 1;
        await new Promise<void>((resolve) => term.signal.addEventListener('abort', () => resolve(), { once: true }));
      },
      { ttlMs: 1_000, graceMs: 60_000 },
    ),
  );
  await clock.advance(10);
  cutOff(clients);
  await clock.advance(3_000);
  expect(led).toBe(1);
  reconnect(clients);
  await clock.advance(3_000);
  expect(led).toBe(2);
  void clients.locks.close();
  await clock.advance(5_000);
  expect(leading.error).toMatchObject({ code: 'LOCK_CLOSED' });
});

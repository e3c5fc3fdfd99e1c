import { describe, expect, it } from 'vitest';
import type { Lock } from '../src/index.ts';
import { codeOf, follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

describe('lead', () => {
  it('waits until it leads, runs its body, and has released when it ends as the body does', async () => {
    const { locks, other, clock } = twoClients();
    const before = await other.acquire('k');
    const terms: Lock[] = [];
    const led = follow(locks.lead('k', (term) => void terms.push(term)));
    await clock.advance(100_000);
    expect(terms).toHaveLength(0);
    await before.release();
    await clock.advance(2_000);
    expect(led.state).toBe('resolved');
    expect(terms).toHaveLength(1);
    expect(terms[0]!.fencingToken! > before.fencingToken!).toBe(true);
    expect(await other.inspect('k')).toBeUndefined();

    const failing = locks.lead('k', () => Promise.reject(new Error('the body')));
    await expect(failing).rejects.toThrow('the body');
    expect(await other.inspect('k')).toBeUndefined();
  });

  it('after a loss it campaigns again, once the body has settled, with a higher term', async () => {
    const { locks, other, clock } = twoClients({ ttlMs: 3_000 });
    const terms: Lock[] = [];
    let running = 0;
    let most = 0;
    let settle = (): void => {};
    const led = follow(
      locks.lead('k', async (term) => {
        terms.push(term);
        running += 1;
        most = Math.max(most, running);
        await untilAborted(term.signal);
        // It takes its time, however long ago it lost its office.
        if (terms.length === 1) await new Promise<void>((resolve) => (settle = resolve));
        running -= 1;
        if (terms.length === 2) throw new Error('a body that fails because of the loss');
        if (terms.length < 4) return;
        settle();
      }),
    );
    await clock.advance(10);
    await other.forceRelease('k');
    await clock.advance(30_000);
    expect(terms).toHaveLength(1);
    expect(terms[0]!.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    settle();
    for (let i = 2; i < 4; i += 1) {
      await clock.advance(1_000);
      expect(terms).toHaveLength(i);
      expect(terms[i - 1]!.fencingToken! > terms[i - 2]!.fencingToken!).toBe(true);
      await other.forceRelease('k');
      await clock.advance(3_000);
    }
    expect(led.state).toBe('pending');
    expect(most).toBe(1);
    await locks.close();
    await clock.advance(10_000);
    expect(led.error).toMatchObject({ code: 'LOCK_CLOSED' });
  });

  it('maxHoldMs limits a term: another member leads, and this one campaigns again', async () => {
    const { locks, other, clock } = twoClients();
    const led: string[] = [];
    const member = (at: typeof locks, name: string) =>
      follow(
        at.lead(
          'k',
          async (term) => {
            led.push(name);
            await untilAborted(term.signal);
          },
          { maxHoldMs: 1_000 },
        ),
      );
    member(locks, 'a');
    member(other, 'b');
    await clock.advance(5_500);
    expect(led.length).toBeGreaterThanOrEqual(4);
    expect(new Set(led)).toEqual(new Set(['a', 'b']));
    await Promise.all([locks.close(), other.close()]);
  });

  it('an abort while it leads: the body is told, and when it has settled the key is free before the rejection', async () => {
    const { locks, other, clock, adapter } = twoClients();
    const controller = new AbortController();
    const reason = new Error('shutdown');
    let told: unknown;
    let settle = (): void => {};
    const led = follow(
      locks.lead(
        'k',
        async (term) => {
          await untilAborted(term.signal);
          told = term.signal.reason;
          expect(term.state).toBe('held');
          term.assertHeld();
          await new Promise<void>((resolve) => (settle = resolve));
        },
        { signal: controller.signal },
      ),
    );
    await clock.advance(10);
    controller.abort(reason);
    await clock.advance(100_000);
    expect(told).toBe(reason);
    expect(led.state).toBe('pending');
    adapter.otherwise('release', { replyAfterMs: 50 });
    settle();
    await clock.advance(40);
    expect(led.state).toBe('pending');
    await clock.advance(20);
    expect(led.error).toBe(reason);
    expect(await other.inspect('k')).toBeUndefined();
  });

  it('an abort while it campaigns rejects at once, with the reason; one before it sends nothing', async () => {
    const { locks, other, clock, adapter } = twoClients();
    await other.acquire('k');
    const controller = new AbortController();
    const reason = new Error('shutdown');
    const led = follow(locks.lead('k', () => {}, { signal: controller.signal }));
    await clock.advance(50);
    controller.abort(reason);
    await clock.advance(0);
    expect(led.error).toBe(reason);
    adapter.calls.length = 0;
    await expect(locks.lead('k', () => {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(adapter.calls).toEqual([]);
  });

  it('with a signal of its own too, the term is told of its loss, and sees it first after a stall', async () => {
    const { locks, other, clock } = twoClients({ ttlMs: 3_000 });
    const { signal } = new AbortController();
    const reasons: unknown[] = [];
    const stalls: boolean[] = [];
    const led = locks.lead(
      'k',
      async (term) => {
        if (reasons.length === 1) {
          clock.stall(10_000);
          stalls.push(term.signal.aborted);
        }
        await untilAborted(term.signal);
        reasons.push(term.signal.reason);
      },
      { signal },
    );
    led.catch(() => {});
    await clock.advance(10);
    await other.forceRelease('k');
    await clock.advance(5_000);
    expect(reasons[0]).toMatchObject({ code: 'LOCK_LOST' });
    expect(stalls).toEqual([true]);
    void locks.close();
  });

  it('a body that fails of itself after an abort is not hidden by the reason', async () => {
    const { locks, clock } = twoClients();
    const controller = new AbortController();
    const led = follow(
      locks.lead(
        'k',
        async (term) => {
          await untilAborted(term.signal);
          throw new Error('could not save');
        },
        { signal: controller.signal },
      ),
    );
    await clock.advance(10);
    controller.abort();
    await clock.advance(10);
    expect(led.error).toMatchObject({ message: 'could not save' });
  });

  it('an outage of the backend does not end it, whatever these locks have for waitMs', async () => {
    const { locks, clock, adapter } = twoClients({ ttlMs: 3_000, waitMs: 100, backendTimeoutMs: 2_000 });
    const terms: Lock[] = [];
    adapter.otherwise('tryAcquire', 'rejected before');
    const led = follow(
      locks.lead('k', async (term) => {
        terms.push(term);
        await untilAborted(term.signal);
      }),
    );
    await clock.advance(60_000);
    expect(terms).toHaveLength(0);
    // Neither does it ask without a pause.
    expect(adapter.count('tryAcquire')).toBeLessThan(400);
    adapter.otherwise('tryAcquire', 'ok');
    await clock.advance(2_000);
    expect(terms).toHaveLength(1);
    adapter.otherwise('renew', 'request lost');
    adapter.otherwise('tryAcquire', 'request lost');
    await clock.advance(60_000);
    expect(terms[0]!.state).toBe('lost');
    expect(led.state).toBe('pending');
    adapter.otherwise('renew', 'ok');
    adapter.otherwise('tryAcquire', 'ok');
    await clock.advance(5_000);
    expect(terms).toHaveLength(2);
    void locks.close();
    await clock.advance(5_000);
    expect(led.error).toMatchObject({ code: 'LOCK_CLOSED' });
  });

  it('after a failed campaign it pauses, however short the time-out for the backend is; an abort ends the pause', async () => {
    const { locks, clock, adapter } = twoClients({ ttlMs: 60, backendTimeoutMs: 5, attemptTimeoutMs: 2 });
    adapter.otherwise('tryAcquire', 'rejected before');
    const controller = new AbortController();
    const led = follow(locks.lead('k', () => {}, { signal: controller.signal }));
    await clock.advance(20_000);
    const calls = adapter.count('tryAcquire');
    await clock.advance(20_000);
    expect(adapter.count('tryAcquire') - calls).toBeLessThan(50);
    expect(led.state).toBe('pending');
    controller.abort(new Error('enough'));
    await clock.advance(1);
    expect(led.error).toMatchObject({ message: 'enough' });
  });

  it('waitMs limits a campaign, over a busy key and over an outage', async () => {
    const { locks, other, clock, adapter } = twoClients({ backendTimeoutMs: 1_000 });
    const held = await other.acquire('k');
    const led = follow(locks.lead('k', () => {}, { waitMs: 5_000 }));
    await clock.advance(4_990);
    expect(led.state).toBe('pending');
    await clock.advance(100);
    expect(led.error).toMatchObject({ code: 'LOCK_TIMEOUT', key: 'k' });
    await held.release();
    adapter.otherwise('tryAcquire', 'rejected before');
    const down = follow(locks.lead('k', () => {}, { waitMs: 5_000 }));
    await clock.advance(4_900);
    expect(down.state).toBe('pending');
    await clock.advance(3_000);
    expect(down.error).toMatchObject({ code: 'LOCK_BACKEND', key: 'k' });
  });

  it('what is nested in its body re-enters; a body that resigns by a release ends it', async () => {
    const { locks, other } = twoClients();
    const seen: unknown[] = [];
    await locks.lead('k', async (term) => {
      await locks.using('k', (lock) => void seen.push(lock.fencingToken === term.fencingToken));
      seen.push(await term.release(), term.state);
      expect(await other.inspect('k')).toBeUndefined();
    });
    expect(seen).toEqual([true, 'released', 'released']);
  });

  it('keeps no listener on a signal that outlives it', async () => {
    const { locks } = twoClients();
    const { signal } = new AbortController();
    let listeners = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    for (let i = 0; i < 10; i += 1) await locks.lead('k', () => {}, { signal });
    expect(listeners).toBe(0);
  });

  it('refuses what it cannot run before anything is sent', async () => {
    const { locks, adapter } = twoClients();
    const misused = locks.lead as (...args: unknown[]) => Promise<void>;
    expect(await codeOf(misused('k'))).toBe('LOCK_INVALID_ARGUMENT');
    await expect(misused('k', {}, () => {})).rejects.toThrow('lead(key, body, options)');
    expect(await codeOf(misused('', () => {}))).toBe('LOCK_INVALID_ARGUMENT');
    expect(await codeOf(misused('k', () => {}, { ttl: 1 }))).toBe('LOCK_INVALID_ARGUMENT');
    expect(adapter.calls).toEqual([]);
  });
});

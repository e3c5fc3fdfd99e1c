import { describe, expect, it } from 'vitest';
import { type Lock, LockError } from '../src/index.ts';
import { follow } from './support/outcome.ts';
import { twoClients } from './support/two-clients.ts';

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

describe('the ends of lead', () => {
  it('C-335: an abort at whatever moment around the grant: no body begins with a signal that has aborted', async () => {
    for (let turns = 0; turns < 12; turns += 1) {
      const { locks, other, clock } = twoClients();
      const controller = new AbortController();
      const reason = new Error('shutdown');
      const begun: boolean[] = [];
      const body = async ({ signal }: Lock): Promise<void> => {
        begun.push(signal.aborted);
        // As most bodies do it: one that begins too late would hear of no end.
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      };
      const led = follow(locks.lead('k', body, { signal: controller.signal }));
      for (let i = 0; i < turns; i += 1) await Promise.resolve();
      controller.abort(reason);
      await clock.advance(10);
      expect([turns, led.error, begun.includes(true)]).toEqual([turns, reason, false]);
      expect(await other.inspect('k')).toBeUndefined();
    }
  });

  it('C-335: a term that ends while the process stands still before its body begins has none, and the next one has', async () => {
    for (let turns = 0; turns < 12; turns += 1) {
      const { locks, clock } = twoClients();
      const begun: string[] = [];
      const led = follow(locks.lead('k', (term) => void begun.push(term.state)));
      for (let i = 0; i < turns; i += 1) await Promise.resolve();
      clock.stall(100_000);
      await clock.advance(2_000);
      expect([turns, led.state, new Set(begun)]).toEqual([turns, 'resolved', new Set(['held'])]);
    }
  });

  it('C-207: a reason that is a LOCK_BACKEND error ends it like any other', async () => {
    const { locks, other, clock } = twoClients();
    const held = await other.acquire('k');
    for (const reason of [
      new LockError('LOCK_BACKEND', 'of another lock'),
      new LockError('LOCK_TIMEOUT', 'of another'),
    ]) {
      const controller = new AbortController();
      const led = follow(locks.lead('k', () => {}, { signal: controller.signal }));
      await clock.advance(10);
      controller.abort(reason);
      await clock.advance(10);
      expect(led.error).toBe(reason);
    }
    await held.release();
  });

  it('close while it leads, campaigns or pauses: LOCK_CLOSED once its body has settled, and nothing is held', async () => {
    for (const fairness of ['none', 'fifo'] as const) {
      const { locks, other, clock, adapter } = twoClients({ backendTimeoutMs: 1_000 }, fairness);
      const held = await other.acquire('busy');
      let settle = (): void => {};
      const reasons: unknown[] = [];
      const leading = follow(
        locks.lead('led', async ({ signal }) => {
          await untilAborted(signal);
          reasons.push(signal.reason);
          await new Promise<void>((resolve) => (settle = resolve));
        }),
      );
      const campaigning = follow(locks.lead('busy', () => void reasons.push('led a busy key')));
      await clock.advance(100);
      for (const operation of ['tryAcquire', 'enqueue'] as const) adapter.otherwise(operation, 'rejected before');
      const pausing = follow(locks.lead('down', () => void reasons.push('led without a backend')));
      await clock.advance(1_100);
      const closing = follow(locks.close());
      await clock.advance(3_000);
      expect(closing.state).toBe('resolved');
      expect(reasons).toEqual([expect.objectContaining({ code: 'LOCK_LOST' })]);
      // Free at once: `close` does not wait for a body.
      expect(await other.inspect('led')).toBeUndefined();
      expect([leading.state, campaigning.error, pausing.error]).toEqual([
        'pending',
        expect.objectContaining({ code: 'LOCK_CLOSED' }),
        expect.objectContaining({ code: 'LOCK_CLOSED' }),
      ]);
      settle();
      await clock.advance(10);
      expect(leading.error).toMatchObject({ code: 'LOCK_CLOSED' });
      await held.release();
      await clock.advance(10);
      expect(await other.inspect('busy')).toBeUndefined();
    }
  });
});

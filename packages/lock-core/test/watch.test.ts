import { describe, expect, it } from 'vitest';
import type { LockInfo } from '../src/index.ts';
import { codeOf, follow } from './support/outcome.ts';
import { type TwoClients, twoClients } from './support/two-clients.ts';

/** Collects what a watch says, until it ends. */
function collect({ locks }: TwoClients, key: string, options?: { signal?: AbortSignal }) {
  const seen: (LockInfo | undefined)[] = [];
  const run = async (): Promise<void> => {
    for await (const info of locks.watch(key, options)) seen.push(info);
  };
  return { seen, end: follow(run()) };
}

describe.each(['none', 'fifo'] as const)('watch (fairness %s)', (fairness) => {
  it('gives the state at once, and each change of the holder', async () => {
    const clients = twoClients({}, fairness);
    const { locks, other, clock } = clients;
    const { seen, end } = collect(clients, 'k');
    await clock.advance(0);
    expect(seen).toEqual([undefined]);
    const first = await other.acquire('k');
    await clock.advance(600);
    expect(seen.at(-1)).toMatchObject({ key: 'k', fencingToken: first.fencingToken });
    // A renewal is no change.
    await clock.advance(20_000);
    expect(seen).toHaveLength(2);
    await first.release();
    await clock.advance(600);
    expect(seen.at(-1)).toBeUndefined();
    const mine = await locks.acquire('k');
    await clock.advance(600);
    expect(seen.at(-1)?.fencingToken).toBe(mine.fencingToken);
    expect(seen).toHaveLength(4);
    await locks.close();
    await clock.advance(0);
    expect(end.state).toBe('resolved');
  });

  it('ends with its signal, at once, and leaves no timer', async () => {
    const clients = twoClients({}, fairness);
    const controller = new AbortController();
    const { end } = collect(clients, 'k', { signal: controller.signal });
    await clients.clock.advance(1_234);
    expect(end.state).toBe('pending');
    controller.abort();
    await clients.clock.advance(0);
    expect(end.state).toBe('resolved');
    const calls = clients.adapter.calls.length;
    await clients.clock.advance(60_000);
    expect(clients.adapter.calls).toHaveLength(calls);
    expect(clients.clock.pending).toBe(0);
    expect(collect(clients, 'k', { signal: AbortSignal.abort() }).seen).toEqual([]);
  });

  it('a loop that is left leaves nothing; a `next` that is pending ends with `return`', async () => {
    const clients = twoClients({}, fairness);
    const { locks, clock, adapter } = clients;
    for await (const info of locks.watch('k')) {
      expect(info).toBeUndefined();
      break;
    }
    const iterator = locks.watch('k')[Symbol.asyncIterator]();
    await iterator.next();
    const pending = follow(iterator.next());
    await clock.advance(10);
    const returned = follow(iterator.return!());
    await clock.advance(0);
    expect(pending.value).toEqual({ done: true, value: undefined });
    expect(returned.value).toEqual({ done: true, value: undefined });
    const calls = adapter.calls.length;
    await clock.advance(60_000);
    expect(adapter.calls).toHaveLength(calls);
  });

  it('a short outage does not end it, a longer one does, with LOCK_BACKEND', async () => {
    const clients = twoClients({ backendTimeoutMs: 5_000 }, fairness);
    const { clock, adapter, other } = clients;
    const { seen, end } = collect(clients, 'k');
    await clock.advance(10);
    adapter.otherwise('inspect', 'rejected before');
    await clock.advance(4_000);
    const lock = await other.acquire('k');
    adapter.otherwise('inspect', 'ok');
    await clock.advance(3_000);
    expect(seen.at(-1)?.fencingToken).toBe(lock.fencingToken);
    adapter.otherwise('inspect', 'request lost');
    await clock.advance(9_000);
    expect(end.error).toMatchObject({ code: 'LOCK_BACKEND', key: 'k' });
    await clock.advance(60_000);
    expect(clock.pending).toBe(1);
  });

  it('refuses what cannot be watched', async () => {
    const first = (watched: AsyncIterable<unknown>) => codeOf(watched[Symbol.asyncIterator]().next());
    const clients = twoClients({}, fairness);
    expect(await first(clients.locks.watch(''))).toBe('LOCK_INVALID_ARGUMENT');
    expect(await first(clients.locks.watch('k', { sginal: undefined } as object))).toBe('LOCK_INVALID_ARGUMENT');
    expect(await first(clients.locks.watch('k', { signal: 1 } as object))).toBe('LOCK_INVALID_ARGUMENT');
    await clients.locks.close();
    expect(await first(clients.locks.watch('k'))).toBe('LOCK_CLOSED');
    expect(await first(twoClients({}, fairness, ['inspect']).locks.watch('k'))).toBe('LOCK_UNSUPPORTED');
  });
});

describe('watch, with hints', () => {
  it('ends its subscription when the loop is left', async () => {
    const { locks, adapter } = twoClients();
    const signals = new Set<AbortSignal>();
    const whenFree = adapter.whenFree!.bind(adapter);
    adapter.whenFree = (key, signal) => {
      signals.add(signal);
      return whenFree(key, signal);
    };
    for await (const info of locks.watch('k')) {
      expect(info).toBeUndefined();
      break;
    }
    expect([...signals].map(({ aborted }) => aborted)).toEqual([true]);
  });

  it('sees a release as soon as it is hinted at', async () => {
    const clients = twoClients();
    const lock = await clients.other.acquire('k');
    const { seen } = collect(clients, 'k');
    await clients.clock.advance(1_010);
    await lock.release();
    await clients.clock.advance(1);
    expect(seen.at(-1)).toBeUndefined();
    expect(seen).toHaveLength(2);
    await clients.locks.close();
  });

  it('looks at a key that changes hands all the time no more often than every 25 ms', async () => {
    const clients = twoClients();
    collect(clients, 'k');
    let holds = 0;
    for (let i = 0; i < 1_000; i += 1) {
      void clients.other.using('k', () => {
        holds += 1;
      });
      await clients.clock.advance(1);
    }
    expect(holds).toBeGreaterThan(100);
    expect(clients.adapter.count('inspect')).toBeLessThan(50);
    expect(clients.adapter.count('inspect')).toBeGreaterThan(30);
    await clients.locks.close();
  });
});

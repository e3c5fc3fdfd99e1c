import { memoryAdapter } from '@holdfast/adapter-memory';
import { startEtcd, startRedis } from '@holdfast/testbed';
import { createLocks, type Lock } from 'holdfast';
import { afterEach, describe, expect, it } from 'vitest';
import { openGroup } from '../src/group.ts';
import { isOrderly, isRefused, play } from '../src/story.ts';

const stops: (() => unknown)[] = [];
const atEnd = (stop: () => unknown) => void stops.unshift(stop);
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

describe('the leader of a group', { timeout: 120_000 }, () => {
  it.each([
    ['Redis', startRedis],
    ['etcd', startEtcd],
  ] as const)('changes by resignation, crash and pause, on %s, and old terms are not obeyed', async (_, start) => {
    const server = await start();
    atEnd(() => server.stop());
    const story = await play({ url: server.url, atEnd }, () => {});
    const { changes, group } = story;
    expect(changes.map(({ how }) => how)).toEqual(['elected', 'resigned', 'killed', 'paused']);
    for (const [i, { from, to }] of changes.entries()) {
      expect(to.leader).not.toBe(from);
      if (i > 0) expect(to.term > changes[i - 1]!.to.term).toBe(true);
    }
    expect(isOrderly(group.orders)).toBe(true);
    expect(isRefused(story)).toBe(true);
  });

  it('a resignation is a hand-over: the next one need not wait for a lease', async () => {
    await using locks = createLocks(memoryAdapter(), { ttlMs: 3_600_000 });
    const led: string[] = [];
    const first = new AbortController();
    const second = new AbortController();
    const member = async (name: string, { signal }: AbortController, quit: () => void) => {
      const failure = await locks.lead('memory', (term) => lead(name, term, quit), { signal }).catch((error) => error);
      expect(failure).toBe(signal.reason);
    };
    const lead = async (name: string, term: Lock, quit: () => void) => {
      led.push(name);
      quit();
      await new Promise<void>((resolve) => term.signal.addEventListener('abort', () => resolve(), { once: true }));
    };
    const resignSoon = (controller: AbortController) => () => void setImmediate(() => controller.abort());
    await Promise.all([member('first', first, resignSoon(first)), member('second', second, resignSoon(second))]);
    expect(led).toEqual(['first', 'second']);
  });

  it('the group takes no order under a term lower than one that it has seen', () => {
    const group = openGroup({ url: 'memory:', atEnd }, []);
    expect([group.take('a', 1n), group.take('a', 1n), group.take('b', 2n), group.take('a', 1n)]).toEqual([
      ...[true, true, true],
      false,
    ]);
  });

  it('orders are told apart', () => {
    const order = (leader: string, term: bigint, obeyed = true) => ({ leader, term, obeyed });
    expect(isOrderly([order('a', 1n), order('b', 2n), order('a', 1n, false)])).toBe(true);
    expect(isOrderly([order('a', 1n), order('b', 2n), order('a', 1n)])).toBe(false);
    expect(isOrderly([order('a', 1n), order('b', 1n)])).toBe(false);
    expect(isOrderly([])).toBe(false);
  });
});

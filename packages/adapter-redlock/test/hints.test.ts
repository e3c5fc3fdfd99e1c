import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { LockAdapter } from '@holdfast/lock-core';
import { expect, it } from 'vitest';
import { majorityHints } from '../src/hints.ts';

/** Five nodes whose messages come when the test says so, and somebody who counts the hints. */
async function listening() {
  const bus = new EventEmitter();
  const standing = new Set<number>();
  const nodes = Array.from(
    { length: 5 },
    (_, i) =>
      ({
        async whenFree(_key: string, signal: AbortSignal) {
          if (standing.has(i)) await once(bus, String(i), { signal });
          else standing.add(i);
        },
      }) as unknown as LockAdapter,
  );
  let now = 0;
  const { whenFree } = majorityHints(nodes, 3, () => now);
  const end = new AbortController();
  let hints = -1; // the first says that the subscription stands
  const count = async (): Promise<void> => {
    while (!end.signal.aborted) {
      await whenFree('k', end.signal);
      hints += 1;
    }
  };
  const counting = count().catch(() => {});
  await setImmediate();
  return {
    async release(...told: number[]): Promise<void> {
      for (const node of told) {
        bus.emit(String(node));
        await setImmediate();
      }
    },
    hints: () => hints,
    later: () => {
      now += 3;
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await counting;
    },
  };
}

it('what all nodes tell of one release is one hint, and the next release is another', async () => {
  await using it = await listening();
  for (let releases = 1; releases <= 20; releases += 1) {
    await it.release(0, 1, 2, 3, 4);
    expect(it.hints()).toBe(releases);
    it.later();
  }
});

it('a release that is told by another majority than the last one is not missed', async () => {
  await using it = await listening();
  for (let releases = 1; releases <= 20; releases += 1) {
    await it.release(...[0, 1, 2].map((i) => (i + 2 * releases) % 5));
    expect(it.hints()).toBe(releases);
    it.later();
  }
});

it('one or two nodes are not enough', async () => {
  await using it = await listening();
  await it.release(1, 1, 1, 4, 4);
  expect(it.hints()).toBe(0);
  await it.release(0);
  expect(it.hints()).toBe(1);
});

it('a signal that waits for two keys hears of the releases of both', async () => {
  const bus = new EventEmitter();
  const standing = new Set<string>();
  const node = {
    async whenFree(key: string, signal: AbortSignal) {
      if (standing.has(key)) await once(bus, key, { signal });
      else standing.add(key);
    },
  } as unknown as LockAdapter;
  const { whenFree, listens } = majorityHints([node], 1, () => 0);
  const end = new AbortController();
  for (const key of ['a', 'b']) await whenFree(key, end.signal);
  for (const key of ['a', 'b']) {
    const hint = whenFree(key, end.signal);
    bus.emit(key);
    await hint;
    expect(listens(key)).toBe(true);
  }
  end.abort();
  expect([listens('a'), listens('b')]).toEqual([false, false]);
});

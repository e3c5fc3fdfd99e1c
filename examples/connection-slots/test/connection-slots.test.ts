import { memoryAdapter } from '@holdfast/adapter-memory';
import { startRedis, startZookeeper } from '@holdfast/testbed';
import { createLocks, isLockError } from 'holdfast';
import { afterEach, describe, expect, it } from 'vitest';
import { withSlot } from '../src/slots.ts';
import { isRight, play } from '../src/story.ts';

const stops: (() => unknown)[] = [];
const atEnd = (stop: () => unknown) => void stops.unshift(stop);
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

describe('connection slots', { timeout: 120_000 }, () => {
  it('without slots clients are turned away', async () => {
    const server = await startRedis();
    atEnd(() => server.stop());
    expect((await play({ url: server.url, atEnd }, false, 0)).refused).toBeGreaterThan(0);
  });

  it.each([
    ['Redis', startRedis, ''],
    ['ZooKeeper', startZookeeper, '?sessionTimeout=6s'],
  ] as const)('clients that are killed give theirs back, and nobody is turned away, on %s', async (_, start, query) => {
    const server = await start();
    atEnd(() => server.stop());
    const outcome = await play({ url: server.url + query, atEnd }, true, 3);
    expect(outcome).toMatchObject({ refused: 0, killed: 3 });
    expect(isRight(outcome)).toBe(true);
  });

  it('never more than the slots at once, all of them used, and none left behind', async () => {
    await using locks = createLocks(memoryAdapter());
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 30 }, () =>
        withSlot(locks, 'pool', 3, async () => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setTimeout(resolve, 5));
          inside--;
        }),
      ),
    );
    expect(most).toBe(3);
    for (const slot of [0, 1, 2]) expect(await locks.inspect(`slot:pool:${slot}`)).toBeUndefined();
  });

  it('a body that fails gives its slot back; a failure of the locks comes out', async () => {
    const locks = createLocks(memoryAdapter());
    const failing = withSlot(locks, 'pool', 1, () => Promise.reject(new Error('query failed')));
    await expect(failing).rejects.toThrow('query failed');
    expect(await withSlot(locks, 'pool', 1, async () => 'next')).toBe('next');
    await locks.close();
    await expect(withSlot(locks, 'pool', 3, async () => 'closed')).rejects.toSatisfy((error) =>
      isLockError(error, 'LOCK_CLOSED'),
    );
  });
});

import { memoryAdapter } from '@holdfast/adapter-memory';
import { startRedis, startZookeeper } from '@holdfast/testbed';
import { createLocks } from 'holdfast';
import { afterEach, describe, expect, it } from 'vitest';
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

  it('never more than the permits at once, all of them used, and none left behind', async () => {
    await using locks = createLocks(memoryAdapter());
    const pool = locks.semaphore('pool', 3);
    let inside = 0;
    let most = 0;
    const query = () =>
      pool.using(async () => {
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
      });
    await Promise.all(Array.from({ length: 30 }, query));
    expect(most).toBe(3);
    expect(await pool.inspect()).toBeUndefined();
  });
});

import { type PostgresServer, type RedisServer, startEtcd, startPostgres, startRedis } from '@holdfast/testbed';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { play } from '../src/story.ts';

let postgres: PostgresServer;
let redis: RedisServer;
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
});
afterAll(async () => {
  await Promise.all([postgres?.stop(), redis?.stop()]);
});

const stops: (() => unknown)[] = [];
const stage = (url: string) => ({ url, atEnd: (stop: () => unknown) => void stops.unshift(stop) });
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

describe('a writer that slept past its lease', { timeout: 90_000 }, () => {
  it.each(['PostgreSQL', 'Redis'])('a plain write to %s overwrites the later one', async (database) => {
    const story = await play(stage(redis.url), database === 'Redis' ? redis.url : postgres.url, false);
    expect(story).toMatchObject({ before: 50, after: 70, lateWrite: true });
  });

  it.each(['PostgreSQL', 'Redis'])('H48: its fenced write is refused by %s', async (database) => {
    const story = await play(stage(redis.url), database === 'Redis' ? redis.url : postgres.url, true);
    expect(story).toMatchObject({ before: 50, after: 50, lateWrite: false, lateState: 'lost' });
    expect(story.tokens[1]! > story.tokens[0]!).toBe(true);
  });

  it('the same with locks on etcd', async () => {
    const etcd = await startEtcd();
    stops.push(() => etcd.stop());
    // Tokens of another backend begin anew.
    await postgres.query('DELETE FROM holdfast_fence');
    const story = await play(stage(etcd.url), postgres.url, true);
    expect(story).toMatchObject({ before: 50, after: 50, lateWrite: false, lateState: 'lost' });
  });
});

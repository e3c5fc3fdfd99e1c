import { startEtcd, startRedis } from '@holdfast/testbed';
import { afterEach, describe, expect, it } from 'vitest';
import { openLedger } from '../src/ledger.ts';
import { throughProxies } from '../src/proxied.ts';
import { isExactlyOnce, play, ticks } from '../src/story.ts';

const stops: (() => unknown)[] = [];
const atEnd = (stop: () => unknown) => void stops.unshift(stop);
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

describe('a scheduled job', { timeout: 120_000 }, () => {
  it.each([
    ['Redis', startRedis],
    ['etcd', startEtcd],
  ] as const)('each tick exactly once through a crash and a partition, on %s', async (_, start) => {
    const server = await start();
    atEnd(() => server.stop());
    const told: string[] = [];
    const ledger = await play({ url: server.url, atEnd }, (text) => told.push(text));
    expect([...ledger.done].sort((a, b) => a - b)).toEqual(Array.from({ length: ticks }, (_, i) => i + 1));
    expect(isExactlyOnce(ledger)).toBe(true);
    // The one that was cut off came with its result, and it was not taken.
    expect(ledger.refused).toContain(8);
    expect(told.join('\n')).toMatch(/tick 4: \w+ is killed[\s\S]*tick 8: \w+ is cut off[\s\S]*now \w+ writes as well/);
  });

  it('H36: a late write is refused from the moment when the next holder looks', () => {
    const ledger = openLedger();
    expect(ledger.due(5n, 1)).toEqual([1]);
    expect(ledger.due(6n, 1)).toEqual([1]);
    expect(ledger.write(1, 5n)).toBe(false);
    expect(ledger.due(5n, 1)).toEqual([]);
    expect(ledger.write(1, 6n)).toBe(true);
    expect([ledger.done, ledger.refused]).toEqual([[1], [1]]);
  });

  it('puts a proxy before every server of a URL', async () => {
    const way = await throughProxies('etcd://user:secret@127.0.0.1:1,127.0.0.1/prefix?ttl=5s');
    expect(way.url).toMatch(/^etcd:\/\/user:secret@127\.0\.0\.1:\d+,127\.0\.0\.1:\d+\/prefix\?ttl=5s$/);
    await way.close();
    await expect(throughProxies('redis+cluster://127.0.0.1:1')).rejects.toThrow(/another URL/);
  });
});

import { faultProxy } from '@holdfast/conformance/faults';
import { startRedis } from '@holdfast/testbed';
import { createClient, createCluster } from 'redis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { single } from '../../redis-protocol/test/support/kit.ts';
import { nodeRedisAdapter } from '../src/index.ts';
import { kits } from './support/kits.ts';

describe.each(kits)('$name', (kit) => {
  it('H13: each command gets its own answer or none, however often the connection is lost under load', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const proxy = await faultProxy(server);
    onTestFinished(() => proxy.close());
    const client = kit.connect(single(proxy));
    onTestFinished(() => client.close());
    const { call } = client.binding();
    await call('echo', ['ready'], 'k');

    const counts = { own: 0, foreign: 0, lost: 0 };
    for (let round = 0; round < 15; round++) {
      const answers: Promise<unknown>[] = [];
      const until = performance.now() + 40;
      setTimeout(() => proxy.cut(), 15);
      for (let n = 0; performance.now() < until; n++) {
        const text = `${round}-${n}`;
        answers.push(
          call('echo', [text], 'k').then(
            (answer) => counts[String(answer) === text ? 'own' : 'foreign']++,
            () => counts.lost++,
          ),
        );
        // A turn of the event loop, so that a loss may come between a call and its writing.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(answers);
    }
    expect(counts).toMatchObject({ foreign: 0 });
    expect(counts.own).toBeGreaterThan(0);
    expect(counts.lost).toBeGreaterThan(0);
  });

  it('600 commands in one turn of the event loop print no warning', async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const client = kit.connect(single(server));
    onTestFinished(() => client.close());
    const { call } = client.binding();
    await call('echo', ['ready'], 'k');
    const warnings: string[] = [];
    const note = ({ name }: Error) => warnings.push(name);
    process.on('warning', note);
    onTestFinished(() => void process.off('warning', note));
    const answers = await Promise.all(Array.from({ length: 600 }, (_, n) => call('echo', [String(n)], 'k')));
    expect(answers.map(String)).toEqual(Array.from({ length: 600 }, (_, n) => String(n)));
    expect(warnings).toEqual([]);
  });
});

it('a client with a keyPrefix is refused, whose locks ioredis would not meet', () => {
  for (const client of [
    createClient({ keyPrefix: 'app:' }),
    createCluster({ rootNodes: [], keyPrefix: 'app:' } as never),
  ]) {
    expect(() => nodeRedisAdapter(client)).toThrow(/the option prefix "app:lock:"/);
  }
});

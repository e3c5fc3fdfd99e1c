import { EventEmitter } from 'node:events';
import { performance } from 'node:perf_hooks';
import { expect, it, vi } from 'vitest';
import type { NodeRedisCluster } from '../src/clients/node-redis-client.ts';
import { nodeRedisClusterBinding } from '../src/clients/node-redis-cluster.ts';
import type { RedisClientBinding } from '../src/redis-client.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const never = new Promise<never>(() => {});

const nodeAt = (port: number, isReady = true) => ({
  address: `127.0.0.1:${port}`,
  client: Object.assign(new EventEmitter(), {
    ...{ isReady, isOpen: true, options: { socket: { port } } },
    // What the other master says of the slots: those of the first one are served at a port that nobody knows here.
    sendCommand: vi.fn(
      async (): Promise<unknown> => [
        [0, 8_191, ['127.0.0.1', 9, 'id']],
        [8_192, 16_383, ['127.0.0.1', 2, 'id']],
      ],
    ),
  }),
});

/** A cluster of two masters, of which the first one is away: it has said so, or it says nothing. */
function halfDead(isReady: boolean, ownsClient = true) {
  const [dead, alive] = [nodeAt(1, isReady), nodeAt(2)];
  const looks: unknown[] = [];
  const client = Object.assign(new EventEmitter(), {
    ...{ isOpen: true, isReady: true },
    slots: Array.from({ length: 16_384 }, (_, slot) => ({ master: slot < 8_192 ? dead : alive })),
    _slots: {
      settles: Promise.resolve() as Promise<void>,
      rediscover(startWith: unknown) {
        looks.push(startWith);
        return this.settles;
      },
    },
    sendCommand: (key: string) => (key === '{2}' ? never : Promise.resolve('OK')),
  });
  const binding = nodeRedisClusterBinding(client as unknown as NodeRedisCluster, ownsClient, async () => {});
  return { binding, client, looks, alive };
}

/** Moves the time on by so much for each step, in which all of it is needed. */
async function needs(
  key: string,
  binding: RedisClientBinding,
  steps: number,
  stepMs: number,
  fromMs = 0,
): Promise<void> {
  const clock = vi.spyOn(performance, 'now');
  const now = performance.now();
  try {
    for (let i = 1; i <= steps; i += 1) {
      clock.mockReturnValue(now + fromMs + i * stepMs);
      binding.readyFor?.(key);
      await turn();
      await turn();
    }
  } finally {
    clock.mockRestore();
  }
}

const lookAtAlive = { options: { socket: { port: 2, socketTimeout: 2_000 } } };

// `{2}` is in slot 5649, `{1}` in 9842.
it('who needs a master that is away has another one asked who serves its slots now, once in a while', async () => {
  const { binding, looks } = halfDead(false);
  expect(binding.readyFor?.('{1}')).toBe(true);
  await turn();
  expect(looks).toEqual([]);
  expect(binding.readyFor?.('{2}')).toBe(false);
  await needs('{2}', binding, 100, 1);
  expect(looks).toEqual([lookAtAlive]);
});

it('so has who needs one that has answered nothing for two seconds', async () => {
  const { binding, looks } = halfDead(true);
  void binding.call('get', ['{2}'], '{2}');
  await needs('{2}', binding, 19, 100);
  expect(looks).toEqual([]);
  await needs('{2}', binding, 22, 100);
  expect(looks).toEqual([lookAtAlive]);
});

it('one that answers nothing itself is not asked by a new connection, which would be waited for without a limit', async () => {
  const { binding, looks, alive } = halfDead(false);
  alive.client.sendCommand.mockReturnValue(never);
  await needs('{2}', binding, 100, 100);
  expect(alive.client.sendCommand.mock.calls.length).toBeGreaterThan(2);
  expect(alive.client.sendCommand.mock.calls.length).toBeLessThan(10);
  expect(looks).toEqual([]);
});

it.each([
  ['knows no slots, such as one that has left the cluster', []],
  ['does not know all of them', [[0, 8_191, ['127.0.0.1', 9]]]],
  ['knows no other master', [[0, 16_383, ['127.0.0.1', 1]]]],
  [
    'knows another master for some slots',
    [
      [0, 8_190, ['127.0.0.1', 9]],
      [8_191, 8_191, ['127.0.0.1', 1]],
      [8_192, 16_383, ['127.0.0.1', 2]],
    ],
  ],
  ['answers something else', 'OK'],
])('one that %s is not asked by node-redis, which would take its word', async (_, slots) => {
  const { binding, looks, alive } = halfDead(false);
  alive.client.sendCommand.mockResolvedValue(slots);
  await needs('{2}', binding, 100, 100);
  expect(alive.client.sendCommand.mock.calls.length).toBeGreaterThan(2);
  expect(looks).toEqual([]);
});

it('there is one look at a time, as node-redis makes no second one', async () => {
  const { binding, client, looks } = halfDead(false);
  client._slots.settles = never;
  await needs('{2}', binding, 100, 100);
  expect(looks).toHaveLength(1);
});

it('looks become rare while they change nothing, and are as many as at first for the next master', async () => {
  const { binding, client, looks } = halfDead(false);
  await needs('{2}', binding, 600, 100);
  const inMinute = looks.length;
  expect(inMinute).toBeGreaterThan(8);
  expect(inMinute).toBeLessThan(25);
  const heir = nodeAt(3, false);
  for (let slot = 0; slot < 8_192; slot += 1) client.slots[slot] = { master: heir };
  await needs('{2}', binding, 600, 100, 60_000);
  expect(looks.length - inMinute).toBeGreaterThan(8);
});

it('a cluster of the application is left alone', async () => {
  const { binding, looks, alive } = halfDead(false, false);
  expect(binding.readyFor?.('{2}')).toBe(false);
  await needs('{2}', binding, 100, 100);
  expect([looks, alive.client.sendCommand.mock.calls]).toEqual([[], []]);
});

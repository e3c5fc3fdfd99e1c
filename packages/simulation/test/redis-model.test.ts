import { startRedis } from '@holdfast/testbed';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { Machine } from '../src/engine/machine.ts';
import { createWorld } from '../src/engine/world.ts';
import { createRandom } from '../src/random.ts';
import { Pairs, Push, Refusal, type Reply, Status } from '../src/servers/redis/replies.ts';
import { createRedisServer, type Session } from '../src/servers/redis/server.ts';
import { drawOperations, hasOrder, type Operation, shaOf, shipped } from './support/redis-operations.ts';

// Another seed, or more: SIMULATION_SEED=7 SIMULATION_OPERATIONS=500000 npx vitest run packages/simulation
const seed = process.env.SIMULATION_SEED ?? new Date().toISOString().slice(0, 10);
const operations = Number(process.env.SIMULATION_OPERATIONS ?? 20_000);

/** A machine whose clock is the real one, as far as the model reads it. */
function realMachine(): Machine {
  const world = createWorld(createRandom(seed));
  return { world, random: world.random, wallNow: () => performance.timeOrigin + performance.now() } as Machine;
}

/** Whether these digits are a time of now in microseconds, as the tokens are. */
const isNow = (digits: string): boolean => Math.abs(Number(digits) / 1_000 - Date.now()) < 60_000;

/** A reply with what depends on the clock made coarse: tokens of now, and what is left of a lease. */
function coarse(reply: unknown): unknown {
  if (reply instanceof Refusal || reply instanceof Error)
    return `error ${reply.message.replace(/ script: [0-9a-f]+, on @.*$/, '').replace(/^(ERR (Error compiling|user_script:\d+)).*/s, '$1')}`;
  if (reply instanceof Status) return reply.text;
  if (reply instanceof Push || reply instanceof Pairs) return coarse(reply.items);
  if (Array.isArray(reply)) return reply.map(coarse);
  if (typeof reply === 'number') return reply > 10_000 ? `about ${Math.round(reply / 60_000)} min` : reply;
  if (typeof reply !== 'string') return reply;
  const place = /^(q \d+) (\d+)$/.exec(reply);
  if (place !== null) return [coarse(place[1]), Number(place[2]) < 10 ? 'soon' : coarse(Number(place[2]))];
  // The end of a lease, or of a place.
  if (/^1\d{12,13}( |$)/.test(reply)) return reply.replace(/^\d+/, '<time>');
  return reply.replace(/\d{16}/g, (digits) => (isNow(digits) ? '<now>' : digits));
}

it(`the model of Redis answers as the real server does, ${operations} operations in a row (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  await using real = await startRedis({ args: ['--appendonly', 'no'] });
  const client = new Redis(real.url, { retryStrategy: () => null });
  const listeners = [new Redis(real.url), new Redis(real.url)];
  const model = createRedisServer(realMachine(), 0, () => 0);
  const heard = listeners.map(
    (_, id): Session => ({ id, protocol: 2, channels: new Set(), writes: 0, isBlocked: false, queued: [], send() {} }),
  );
  for (const session of heard) (model.sessions as Set<Session>).add(session);
  const random = createRandom(`redis model ${seed}`);
  const done: (readonly string[])[] = [];
  try {
    let count = 0;
    while (count < operations) {
      if (random.chance(0.02)) await changeSubscription(random.int(0, 1), `{k${random.int(1, 3)}}`);
      const group = Array.from({ length: 40 }, () => drawOperations(random)).flat();
      count += await compare(group);
    }
  } finally {
    for (const one of [client, ...listeners]) one.disconnect();
  }

  async function changeSubscription(which: number, channel: string): Promise<void> {
    const word = random.chance(0.5) ? 'SUBSCRIBE' : 'UNSUBSCRIBE';
    await listeners[which]![word === 'SUBSCRIBE' ? 'subscribe' : 'unsubscribe'](channel);
    model.run([word, channel], heard[which]);
  }

  /** What is between two sleeps goes to the server in one piece, so that both clocks are as close as can be. */
  async function compare(group: readonly Operation[]): Promise<number> {
    let count = 0;
    let batch: (readonly string[])[] = [];
    const flush = async (): Promise<void> => {
      const answers = Promise.allSettled(batch.map(([name, ...args]) => client.call(name!, args as string[])));
      const modelled = batch.map((operation) => model.run(operation) as Reply);
      for (const [i, answer] of (await answers).entries()) {
        const operation = batch[i]!;
        done.push(operation);
        const expected = coarse(answer.status === 'fulfilled' ? answer.value : answer.reason);
        const got = sorted(operation, coarse(modelled[i]!) as Reply);
        const before = done
          .slice(-6)
          .map((one) => JSON.stringify(one.map((word) => (word.length > 200 ? `<script ${word.length}>` : word))))
          .join('\n');
        expect(got, `after\n${before}`).toEqual(sorted(operation, expected as Reply));
      }
      count += batch.length;
      batch = [];
    };
    for (const operation of group) {
      if ('sleepMs' in operation) {
        await flush();
        await new Promise((resolve) => setTimeout(resolve, operation.sleepMs));
      } else batch.push(operation);
    }
    await flush();
    return count;
  }
});

/**
 * SCAN gives keys in no order. Leases that end in one ms on one server may not on the other, so the order of holders is open too.
 * The client makes pairs of scores.
 */
function sorted([name = '', text = '', ...range]: readonly string[], reply: Reply): Reply {
  if (!Array.isArray(reply)) return reply;
  if (name.endsWith('RANGEBYSCORE')) {
    const all = (reply as Reply[][]).flat().map(String);
    return hasOrder(range.slice(0, 2)) ? all : all.sort();
  }
  if (text === shipped.inspect || text === shaOf(shipped.inspect!))
    return [...reply.slice(0, 6), ...(reply.slice(6) as string[]).sort()];
  if (name !== 'SCAN' || !Array.isArray(reply)) return reply;
  return [reply[0]!, [...(reply[1] as string[])].sort()];
}

import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { latestEnd } from '../key-ends.ts';
import { join } from './join-queue.ts';

/** How long after the latest end of a lease that began before now the key is still busy, as a request that is answered shows. */
export async function latenessOf(context: Context, adapter: LockAdapter, key: string, ttlMs: number): Promise<number> {
  const { capabilities } = context.harness;
  const due = latestEnd(capabilities, ttlMs, context.now());
  const stranger = context.attempt(key, { ttlMs: capabilities.ttl.minMs });
  await context.until(due);
  let lateMs = 0;
  await context.eventually('a hold that was not renewed is over', async () => {
    const askedAt = context.now();
    const { status } = await adapter.tryAcquire(stranger);
    if (status === 'busy') lateMs = askedAt - due + context.latencyMs;
    return status === 'granted';
  });
  return lateMs;
}

/** Makes a hold of the key that has just begun a lease of this TTL. */
type Begin = (
  context: Context,
  clients: readonly [LockAdapter, LockAdapter],
  key: string,
  ttlMs: number,
) => Promise<unknown>;

/** The ways to a lease, by what they are called in messages. */
const ways: Readonly<Record<string, Begin>> = {
  granted: (context, [one], key, ttlMs) => context.take(one, key, { ttlMs }),
  'granted again': async (context, [one], key, ttlMs) => {
    const { owner } = await context.take(one, key, { ttlMs });
    await context.take(one, key, { ttlMs, owner });
  },
  renewed: async (context, [one], key, ttlMs) => {
    const hold = await context.take(one, key, { ttlMs });
    await one.renew(hold, ttlMs);
  },
  'renewed with others': async (context, [one], key, ttlMs) => {
    const hold = await context.take(one, key, { ttlMs });
    await one.renewMany?.([hold], ttlMs);
  },
  'granted over a hold that had ended': async (context, [one, two], key, ttlMs) => {
    await context.take(one, key, { ttlMs: context.timing.ttlMs });
    await context.take(two, key, { ttlMs });
  },
  'granted by the queue': async (context, [one, two], key, ttlMs) => {
    if (!two.enqueue) return context.take(one, key, { ttlMs });
    const hold = await context.take(one, key);
    const { granted } = await join(context, two, key, { ttlMs });
    await one.release(hold);
    return granted;
  },
};

/** Holds that nobody renews are over in time, whatever they came from. */
export const lateEndCases: readonly Case[] = [
  {
    id: 'LK-0157',
    level: 'MUST',
    long: true,
    rule: 'C-145',
    title: 'a hold that is not renewed is over in time: not later than its TTL and the declared overshoot',
    hazards: [82],
    requires: { expiry: 'ttl' },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const { ttlMs } = context.timing;
      const { ttl } = context.harness.capabilities;
      const shortest = Math.ceil(Math.max(ttl.minMs, 17 + 4 * context.latencyMs));
      const lateness = async (begin: Begin, askedMs: number) => {
        const key = context.key();
        await begin(context, clients, key, askedMs);
        return latenessOf(context, clients[1], key, askedMs);
      };
      const check = async (how: string, begin: Begin, lengths: readonly number[]) => {
        // A starved machine is late now and then, a late backend each time.
        const lateMs = Math.min(...(await Promise.all(lengths.map((askedMs) => lateness(begin, askedMs)))));
        context.measures.lateMs = Math.max(context.measures.lateMs ?? 0, lateMs);
        context.assertInTime(
          lateMs,
          `Each of three holds that were ${how} was over ${Math.round(lateMs)} ms later than its TTL and the declared overshoot of ${ttl.maxOvershootMs} ms allow`,
        );
      };
      const checks = Object.entries(ways).map(([how, begin]) =>
        check(how, begin, [ttlMs, ttlMs + 19, Math.ceil(ttlMs * 1.2)]),
      );
      checks.push(check('granted for a moment', ways.granted!, [shortest, shortest + 5, shortest + 16]));
      await Promise.all(checks);
    },
  },
];

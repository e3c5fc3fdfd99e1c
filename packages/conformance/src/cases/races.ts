import assert from 'node:assert/strict';
import type { LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context, RawHold } from '../context.ts';
import { assertRelease } from './assert-release.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

const KEYS = 16;
const CONTENDERS = 12;

/** What is known of a key that one walk alone uses. */
interface Known {
  readonly key: string;
  hold: (RawHold & { readonly by: LockAdapter }) | undefined;
  lastToken: bigint;
}

/** One step of a walk: a request whose answer is known beforehand. Gives what went wrong. */
type Step = (context: Context, known: Known, clients: readonly LockAdapter[]) => Promise<void>;

const answered = (is: unknown, must: unknown, what: string) =>
  assert.equal(is, must, `${what} must be answered "${must}"; it was answered "${is}"`);

const whileHeld: readonly Step[] = [
  async (context, { key }, clients) => {
    const stranger = context.attempt(key, { ttlMs: Math.ceil(context.random.between(500, 90_000)) });
    answered(
      (await context.random.pick(clients).tryAcquire(stranger)).status,
      'busy',
      'A request for a key that another owner holds',
    );
  },
  async (context, { key, hold }) => {
    const again = await hold!.by.tryAcquire(context.attempt(key, { owner: hold!.owner }));
    answered(again.status, 'granted', 'A repeated request of the holder');
    if (again.status === 'granted') answered(again.fencingToken, hold!.fencingToken, 'The token of a repeated request');
  },
  async (context, { hold }) => {
    const { status } = await hold!.by.renew(hold!, context.timing.longTtlMs);
    answered(status, 'renewed', 'The renewal of a hold that stands');
  },
  async (context, { key }, clients) => {
    const stranger = context.attempt(key);
    const { status } = await context.random.pick(clients).renew(stranger, context.timing.longTtlMs);
    answered(status, 'lost', 'The renewal of what another owner holds');
  },
  async (context, { key }, clients) => {
    answered(
      await context.random.pick(clients).release(context.attempt(key)),
      'not-held',
      'The release of what another owner holds',
    );
  },
  async (context, { key, hold }, clients) => {
    const info = await context.random.pick(clients).inspect?.(key);
    if (!clients[0]!.inspect) return;
    answered(info?.owner, hold!.owner, 'inspect of a held key (its owner)');
    answered(info?.fencingToken, hold!.fencingToken, 'inspect of a held key (its fencing token)');
  },
  async (context, known) => {
    const { hold } = known;
    answered(await hold!.by.release(hold!), 'released', 'The release of a hold that stands');
    known.hold = undefined;
    if (context.random.next() < 0.3) answered(await hold!.by.release(hold!), 'not-held', 'A repeated release');
  },
];

const whileFree: readonly Step[] = [
  async (context, known, clients) => {
    const by = context.random.pick(clients);
    const attempt = context.attempt(known.key, { tokens: 1 + Math.floor(context.random.between(0, 4)) });
    const sentAt = context.now();
    const granted = await by.tryAcquire(attempt);
    answered(granted.status, 'granted', 'The first request for a key that was released');
    if (granted.status === 'busy') return;
    const { fencingToken } = granted;
    if (fencingToken !== undefined) {
      assert.ok(fencingToken > known.lastToken, `After token ${known.lastToken} came ${fencingToken}`);
      known.lastToken = fencingToken + BigInt(granted.tokens ?? 1) - 1n;
    }
    known.hold = { key: known.key, owner: attempt.owner, fencingToken, granted, sentAt, by };
  },
  async (context, { key }, clients) => {
    const { status } = await context.random.pick(clients).renew(context.attempt(key), context.timing.longTtlMs);
    answered(status, 'lost', 'The renewal of a key that is free');
  },
  async (context, { key }, clients) => {
    answered(await context.random.pick(clients).inspect?.(key), undefined, 'inspect of a key that was released');
  },
];

/** What shows only now and then. */
export const raceCases: readonly Case[] = [
  {
    id: 'LK-0179',
    level: 'MUST',
    heavy: true,
    rule: 'C-2',
    title: 'of many requests at once for one key exactly one is granted, in thousands of them',
    hazards: [84],
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const keys = Array.from({ length: KEYS }, () => context.key());
      const contest = async (key: string) => {
        const attempts = Array.from({ length: CONTENDERS }, () => context.attempt(key));
        const ask = async (attempt: (typeof attempts)[number], i: number) => {
          const by = clients[i % 3]!;
          const { status } = await by.tryAcquire(attempt);
          // Some come a little later than the grant.
          if (status === 'granted' || i % 2 > 0) return { status, attempt, by };
          return { attempt, by, status: (await by.tryAcquire(attempt)).status };
        };
        const outcomes = await Promise.all(attempts.map(ask));
        const winners = outcomes.filter(({ status }) => status === 'granted');
        assert.ok(winners.length <= 1, `${winners.length} of ${CONTENDERS} owners were granted one key`);
        assert.equal(winners.length, 1, `None of ${CONTENDERS} owners was granted a free key`);
        await winners[0]!.by.release(winners[0]!.attempt);
      };
      await context.race(async () => {
        await Promise.all(keys.map(contest));
        return KEYS * (CONTENDERS - 1);
      });
    },
  },
  {
    id: 'LK-0180',
    level: 'MUST',
    heavy: true,
    rule: 'C-157',
    title: 'every answer of thousands in a random order is the one that the answers before it leave',
    hazards: [],
    async run(context) {
      const clients = [await context.client(), await context.client(), await context.client()];
      const walks: Known[] = Array.from({ length: 2 * KEYS }, () => ({
        key: context.key(),
        hold: undefined,
        lastToken: -1n,
      }));
      const walk = async (known: Known) => {
        for (let step = 0; step < 8; step++) {
          const steps = known.hold ? whileHeld : whileFree;
          // A free key is mostly taken.
          const next = known.hold || context.random.next() < 0.4 ? context.random.pick(steps) : steps[0]!;
          await next(context, known, clients);
        }
      };
      try {
        await context.race(async () => {
          await Promise.all(walks.map(walk));
          return walks.length * 8;
        });
      } finally {
        await Promise.allSettled(walks.map(({ hold }) => hold?.by.release(hold)));
      }
    },
  },
  {
    id: 'LK-0181',
    level: 'MUST',
    heavy: true,
    rule: 'C-158',
    title: 'whoever was told busy is granted the first time it asks after the release',
    hazards: [],
    async run(context) {
      const [one, two, three] = [await context.client(), await context.client(), await context.client()];
      const keys = Array.from({ length: KEYS }, () => context.key());
      const claims = claimsOf(context);
      const ends: ((hold: RawHold) => Promise<unknown>)[] = [
        async (hold) => assertRelease(one.release(hold)),
        async (hold) => (two.forceRelease ? two.forceRelease(hold.key) : one.release(hold)),
        async (hold) => (context.forcesByName ? two.forceRelease!(hold.key, hold.owner) : one.release(hold)),
        // Who waited has given up its place by a release: it is in nobody's way.
        async (hold) => {
          const waiter = two.enqueue && (await join(context, two, hold.key, { claim: wholeOf(hold.claim!) }));
          if (waiter) await assertRelease(two.release(waiter.attempt), 'not-held');
          await assertRelease(one.release(hold));
        },
      ];
      const trial = async (key: string, nth: number) => {
        const claim = claims[nth % claims.length]!;
        const asked = { claim: wholeOf(claim) };
        const hold = await context.take(one, key, { claim });
        const refused = [two, three, one].map((adapter) => ({ adapter, attempt: context.attempt(key, asked) }));
        for (const { adapter, attempt } of refused)
          answered((await adapter.tryAcquire(attempt)).status, 'busy', 'A request for a key that another owner holds');
        const end = ends[Math.floor(nth / claims.length) % ends.length]!;
        await end(hold);
        for (const { adapter } of refused) {
          const attempt = context.attempt(key, asked);
          answered(
            (await adapter.tryAcquire(attempt)).status,
            'granted',
            'The first request after a release, also a forced one, of a client that was told "busy" before,',
          );
          await assertRelease(adapter.release(attempt));
        }
      };
      await context.race(
        async () => {
          await Promise.all(keys.map(trial));
          return KEYS;
        },
        { most: 300 },
      );
    },
  },
];

import assert from 'node:assert/strict';
import type { Claim, Granted, LockAdapter } from '@holdfast/lock-core';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { exclusive, type Held, holdOf, nameOf, shared, takeClaim } from './claim-holds.ts';
import { claimsOf, wholeOf } from './every-claim.ts';
import { join } from './join-queue.ts';

/** The highest tokens of a key so far: that a writer was granted, and that anybody may use. */
interface Marks {
  written: bigint;
  used: bigint;
}

/** Fails unless a grant has the token that those before it leave. */
function assertToken(
  marks: Marks,
  { claim = exclusive, granted }: Pick<Held, 'claim' | 'granted'>,
  asked: number,
  how: string,
) {
  const token = granted.fencingToken!;
  const told = `A grant of ${nameOf(claim)}, ${how}, got token ${token}`;
  const isRead = claim.mode === 'shared';
  const least = isRead ? marks.written : marks.used + 1n;
  assert.ok(token >= least, `${told}; up to ${isRead ? marks.written : marks.used} were given before`);
  const { tokens = 1 } = granted;
  assert.ok(tokens >= 1 && tokens <= asked, `${told} and ${tokens} reserved, where ${asked} were asked for`);
  const last = isRead ? token : token + BigInt(tokens) - 1n;
  if (last > marks.used) marks.used = last;
  // Whoever it passed the key on to inside its process may have used the whole block.
  if (claim.mode === 'exclusive') marks.written = last;
}

const isPermits = ({ claim }: Pick<Held, 'claim'>): boolean => claim?.mode === 'permits';

/** Holds of all kinds, one after the other, asked for or waited for, and ended in all ways. */
async function walk(context: Context, clients: readonly [LockAdapter, LockAdapter]): Promise<void> {
  const { random } = context;
  const key = context.key();
  const marks: Marks = { written: -1n, used: -1n };
  let before: Held | undefined;
  const end = async ({ adapter, owner, ...hold }: Held, isAlone: boolean) => {
    const drawn = random.next();
    if (drawn < 0.25 && context.forcesByName) await adapter.forceRelease!(key, owner);
    else if (drawn < 0.4 && isAlone && adapter.forceRelease) await adapter.forceRelease(key);
    else await adapter.release({ ...hold, owner });
  };
  for (let step = 0; step < 14; step++) {
    const claim = random.pick(claimsOf(context));
    const adapter = random.pick([...clients]);
    const tokens = random.pick([1, 1, 3, 7]);
    const canWait = before && adapter.enqueue && isPermits(before) === isPermits({ claim });
    if (before && canWait && random.next() < 0.6) {
      const waiter = await join(context, adapter, key, { claim, tokens });
      const ending = end(before, false);
      const granted: Granted = await context.soon('a waiter is granted when the hold before it ends', waiter.granted);
      await ending;
      before = {
        ...waiter.attempt,
        key,
        owner: waiter.attempt.owner,
        claim,
        adapter,
        granted,
        sentAt: waiter.calledAt,
      };
      assertToken(marks, before, tokens, 'by the queue');
    } else {
      if (before) await end(before, true);
      before = await takeClaim(context, adapter, key, claim, { tokens });
      assertToken(marks, before, tokens, 'that asked');
    }
    const again = await takeClaim(context, adapter, key, claim, { owner: before.owner, tokens });
    assert.equal(again.fencingToken, before.granted.fencingToken, `Asking again changed the token of ${holdOf(claim)}`);
  }
  if (before) await end(before, true);
}

/** A block of tokens whose hold ends by itself, as it was asked for or waited for; and the next one, which asks or waits. */
async function endedByItself(context: Context, [one, two]: readonly [LockAdapter, LockAdapter], claim: Claim) {
  const { ttlMs } = context.timing;
  const ask = async (key: string) => (await takeClaim(context, one, key, claim, { ttlMs, tokens: 7 })).granted;
  const wait = async (key: string) => {
    const before = await takeClaim(context, two, key, wholeOf(claim));
    const { granted } = await join(context, one, key, { claim, ttlMs, tokens: 7 });
    await two.release(before);
    return context.soon('a waiter is granted after the release', granted);
  };
  const nextAsks = async (key: string) => (await takeClaim(context, two, key, wholeOf(claim))).granted;
  const nextWaits = async (key: string) => {
    const { attempt, granted } = await join(context, two, key, { claim: wholeOf(claim) });
    const answer = await context.soon('a waiter is granted when the lease before it has ended', granted);
    await two.release(attempt);
    return answer;
  };
  const trial = async (begin: typeof ask, follow: typeof ask) => {
    const key = context.key();
    const { fencingToken = 0n, tokens = 1 } = await begin(key);
    const next = (await follow(key)).fencingToken!;
    const last = claim.mode === 'shared' ? fencingToken : fencingToken + BigInt(tokens) - 1n;
    assert.ok(
      next > last,
      `After ${holdOf(claim)}, which ended by itself with tokens up to ${last}, came token ${next}`,
    );
  };
  const ways = one.enqueue ? [ask, wait] : [ask];
  const follow = one.enqueue ? [nextAsks, nextWaits] : [nextAsks];
  await Promise.all(ways.flatMap((begin) => follow.map((next) => trial(begin, next))));
}

/** A reader after a writer that ended by itself. */
async function readAfterCrash(context: Context, [one, two]: readonly [LockAdapter, LockAdapter]): Promise<void> {
  const key = context.key();
  const marks: Marks = { written: -1n, used: -1n };
  for (let nth = 0; nth < 2; nth++) {
    const writer = await takeClaim(context, one, key, exclusive, { ttlMs: context.timing.ttlMs });
    assertToken(marks, writer, 1, 'that asked');
    const reader = await takeClaim(context, two, key, shared);
    assertToken(marks, reader, 1, 'after a writer that ended by itself');
    await two.release(reader);
  }
}

/** A writer that downgraded, and readers during its hold and after it. */
async function downgraded(context: Context, [one, two]: readonly [LockAdapter, LockAdapter]): Promise<void> {
  const key = context.key();
  const marks: Marks = { written: -1n, used: -1n };
  const writer = await takeClaim(context, one, key, exclusive, { tokens: 3 });
  assertToken(marks, writer, 3, 'that asked');
  // What it has reserved it has used as a writer, or never will.
  const own = writer.granted.fencingToken!;
  await one.downgrade!(writer, context.timing.longTtlMs);
  const again = await takeClaim(context, one, key, shared, { owner: writer.owner });
  assert.equal(again.granted.fencingToken, own, 'Asking again changed the token of a hold that was downgraded');
  const reader = await takeClaim(context, two, key, shared);
  const { fencingToken } = reader.granted;
  assert.ok(fencingToken! >= own, `A reader beside a writer that downgraded, with token ${own}, got ${fencingToken}`);
  await one.release({ ...writer, claim: shared });
  await two.release(reader);
  const next = await takeClaim(context, two, key, exclusive);
  assert.ok(
    next.granted.fencingToken! > fencingToken!,
    'An exclusive grant got no higher token than a reader before it',
  );
  assertToken(marks, next, 1, 'after readers');
  await two.release(next);
}

/** Tokens over holds of all kinds. */
export const claimTokenCases: readonly Case[] = [
  {
    id: 'LK-0301',
    level: 'MUST',
    long: true,
    heavy: true,
    rule: 'C-268',
    title:
      'tokens rise over holds of all kinds, asked or waited for, ended by release or by force, and over downgrades',
    hazards: [62, 109],
    requires: { fencing: true },
    async run(context) {
      const clients = [await context.client(), await context.client()] as const;
      const walks = Array.from({ length: 8 }, () => walk(context, clients));
      const { shared: hasShared, expiry } = context.harness.capabilities;
      if (hasShared) walks.push(downgraded(context, clients));
      if (hasShared && expiry === 'ttl') walks.push(readAfterCrash(context, clients));
      if (expiry === 'ttl') walks.push(...claimsOf(context).map((claim) => endedByItself(context, clients, claim)));
      await Promise.all(walks);
    },
  },
];

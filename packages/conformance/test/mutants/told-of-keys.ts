import type { LockAdapter } from '@holdfast/lock-core';
import { type ClaimEntry, claimsAdapter, rightRules } from '../support/claims-adapter.ts';
import { liveRow, now } from '../support/table-adapter.ts';
import type { Inside, Mutant } from './mutant.ts';
import { attemptWith, modeOf } from './odd-queues.ts';
import { withRules } from './readers.ts';

const entriesOf = ({ claims }: Inside): readonly ClaimEntry[] => [...claims.entries.values()];
const isHeld = ({ holders }: ClaimEntry): boolean => rightRules.live(holders).length > 0;

const listed = new WeakMap<object, Set<string>>();
/** Keys that are left out of lists, of one backend. */
function leftOut(of: object): Set<string> {
  const set = listed.get(of) ?? new Set();
  listed.set(of, set);
  return set;
}
/** Leaves keys out of lists. */
export const listWithout =
  (right: LockAdapter, isOut: (key: string) => boolean): NonNullable<LockAdapter['keys']> =>
  async (cursor) => {
    const page = await right.keys!(cursor);
    return { ...page, keys: page.keys.filter((key) => !isOut(key)) };
  };

/** What is told of tokens, of keys and of ends. */
export const toldMutants: readonly Mutant[] = [
  {
    bug: 'tokens wrap at 32 bits',
    seenIn: 'H62',
    base: 'claims',
    caughtBy: ['LK-0056'],
    message: /Over a block of 2147483647 tokens the token went from/,
    adapter: withRules({
      token(store, key, holder) {
        const token = rightRules.token(store, key, holder);
        store.lastToken = BigInt.asUintN(32, store.lastToken);
        return BigInt.asUintN(32, token);
      },
    }),
  },
  {
    bug: 'the token for readers is noted when a writer leaves: after one that crashed they have an older one',
    seenIn: 'H62',
    base: 'claims',
    caughtBy: ['LK-0301'],
    message: /A grant of a shared hold, after a writer that ended by itself, got token/,
    adapter(_, inside) {
      const right = claimsAdapter(inside.claims, {
        token(store, key, holder) {
          const before = store.lastWritten.get(key) ?? 0n;
          const token = rightRules.token(store, key, holder);
          store.lastWritten.set(key, before);
          return token;
        },
      });
      const note = (key: string) => {
        const [first] = inside.claims.entries.get(key)?.holders ?? [];
        if (first?.claim.mode === 'exclusive')
          inside.claims.lastWritten.set(key, first.token + BigInt(first.tokens) - 1n);
      };
      return {
        ...right,
        release(ref) {
          note(ref.key);
          return right.release(ref);
        },
        forceRelease(key: string, owner?: string) {
          note(key);
          return right.forceRelease!(key, owner);
        },
        downgrade(ref, ttlMs) {
          note(ref.key);
          return right.downgrade!(ref, ttlMs);
        },
      };
    },
  },
  {
    bug: 'the holder that asks the queue for more tokens is told that it has them',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0177'],
    message: /The owner of an exclusive hold with a block of \d+ tokens asked again/,
    adapter: (right) => ({
      enqueue: async (attempt, signal) => ({ ...(await right.enqueue!(attempt, signal)), tokens: attempt.tokens }),
    }),
  },
  {
    bug: 'who holds permits and asks again for more tokens is told that it has them',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0177'],
    message: /The owner of a hold of 2 of 7 permits with a block of \d+ tokens asked again/,
    adapter: (right) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'busy' || modeOf(attempt) !== 'permits') return outcome;
        return { ...outcome, tokens: attempt.tokens };
      },
    }),
  },
  {
    bug: 'keys leaves out holds that the queue granted',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0296'],
    message: /Keys that are held, and that keys leaves out/,
    adapter: (right, inside) => ({
      async enqueue(attempt, signal) {
        const onQueued = () => {
          leftOut(inside).add(attempt.key);
          attempt.onQueued?.();
        };
        return right.enqueue!(attemptWith(attempt, { onQueued }), signal);
      },
      keys: async () => ({
        keys: entriesOf(inside).flatMap((entry) =>
          isHeld(entry) && !(leftOut(inside).has(entry.key) && entry.queue.length === 0) ? [entry.key] : [],
        ),
        next: undefined,
      }),
    }),
  },
  {
    bug: 'keys leaves out holds with a lease of more than 2^31 ms',
    seenIn: 'H9',
    base: 'table',
    caughtBy: ['LK-0296'],
    message: /Keys that are held, and that keys leaves out/,
    adapter: (right, inside) => ({
      keys: listWithout(right, (key) => inside.rows.get(key)!.expiresAt - now() >= 2 ** 31),
    }),
  },
  {
    bug: 'keys leaves out a hold that took over from one that had ended',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0296'],
    message: /Keys that are held, and that keys leaves out/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        const before = inside.rows.get(attempt.key);
        const isOver = before !== undefined && before.expiresAt <= now();
        const outcome = await right.tryAcquire(attempt);
        if (isOver && outcome.status === 'granted') leftOut(inside).add(attempt.key);
        return outcome;
      },
      keys: listWithout(right, (key) => leftOut(inside).has(key)),
    }),
  },
  {
    bug: 'keys are in the order of their UTF-8, and a page begins by that of their UTF-16',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0151'],
    message: /that were held all the while, keys left out/,
    adapter: (_, { rows }) => ({
      async keys(after = '') {
        const bytes = [...rows.keys()].map((key) => Buffer.from(key)).sort(Buffer.compare);
        const rest = bytes.map(String).filter((key) => key > after);
        return { keys: rest.slice(0, 64), next: rest.length > 64 ? rest[63] : undefined };
      },
    }),
  },
  {
    bug: 'a forced release is answered 50 ms before it takes effect',
    seenIn: 'never published',
    base: 'table',
    caughtBy: ['LK-0181'],
    message: /The first request after a release, also a forced one/,
    adapter: (_, inside) => ({
      async forceRelease(key) {
        const row = liveRow(inside, key);
        const end = () => {
          if (inside.rows.get(key) === row) inside.rows.delete(key);
        };
        if (row) setTimeout(end, 50);
        return row !== undefined;
      },
    }),
  },
  {
    bug: 'the place of a waiter that was released goes 60 ms later',
    seenIn: 'H42',
    base: 'claims',
    caughtBy: ['LK-0181'],
    message: /The first request after a release, also a forced one/,
    adapter: (right, inside) => ({
      async release(ref) {
        const { queue = [] } = inside.claims.entries.get(ref.key) ?? {};
        if (!queue.some(({ attempt }) => attempt.owner === ref.owner)) return right.release(ref);
        setTimeout(() => void right.release(ref), 60);
        return 'not-held';
      },
    }),
  },
  {
    bug: 'who asks the queue for a key whose lease is over waits until the queue is looked at again',
    seenIn: 'H38',
    base: 'claims',
    caughtBy: ['LK-0293'],
    message: /The queue granted the key of an exclusive hold that was over \d+ ms after the request/,
    adapter: (right, inside) => ({
      async enqueue(attempt, signal) {
        const { holders = [] } = inside.claims.entries.get(attempt.key) ?? {};
        if (holders.length > 0 && rightRules.live(holders).length === 0)
          await new Promise<void>((resolve) => setTimeout(resolve, 700));
        return right.enqueue!(attempt, signal);
      },
    }),
  },
  {
    bug: 'one of 100 refused readers is let in beside the writer',
    seenIn: 'H44',
    base: 'claims',
    caughtBy: ['LK-0211'],
    message: /1 writers and 1 readers at once/,
    adapter(right, inside) {
      const blind = claimsAdapter(inside.claims, { fits: () => true, mayPass: () => true });
      let refused = 0;
      return {
        async tryAcquire(attempt) {
          const outcome = await right.tryAcquire(attempt);
          const isRefused = outcome.status === 'busy' && modeOf(attempt) === 'shared';
          return isRefused && ++refused % 100 === 0 ? blind.tryAcquire(attempt) : outcome;
        },
      };
    },
  },
];

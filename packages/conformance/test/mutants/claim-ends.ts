import type { AcquireAttempt, InspectedLock, LockAdapter } from '@holdfast/lock-core';
import type { ClaimEntry, ClaimHolder } from '../support/claims-adapter.ts';
import { now } from '../support/table-adapter.ts';
import { holdOf } from './claim-leases.ts';
import { memoryOf } from './memory.ts';
import type { Inside, Mutant } from './mutant.ts';

const isOver = ({ expiresAt }: ClaimHolder): boolean => expiresAt <= now();

/** What stands for an owner in the key, over or not. */
const placeOf = ({ claims }: Inside, key: string, owner: string | undefined): ClaimHolder | undefined =>
  claims.entries.get(key)?.holders.find((each) => each.owner === owner);

/** The right adapter, telling something else of a key that is held. */
const telling =
  (tell: (info: InspectedLock, entry: ClaimEntry) => Partial<InspectedLock>): NonNullable<Mutant['adapter']> =>
  (right, { claims }) => ({
    async inspect(key) {
      const info = await right.inspect!(key);
      return info && { ...info, ...tell(info, claims.entries.get(key)!) };
    },
  });

/** The right adapter, by which an owner whose hold is over gets it back where the key is free. */
function resurrecting(right: LockAdapter, by: 'renew' | 'downgrade'): Partial<LockAdapter> {
  const asked = new Map<string, AcquireAttempt>();
  const nameOf = ({ key, owner }: { key: string; owner: string }): string => `${key} ${owner}`;
  return {
    async tryAcquire(attempt) {
      const outcome = await right.tryAcquire(attempt);
      if (outcome.status === 'granted') asked.set(nameOf(attempt), attempt);
      return outcome;
    },
    async release(hold) {
      asked.delete(nameOf(hold));
      return right.release(hold);
    },
    async [by](hold: { key: string; owner: string }, ttlMs: number) {
      const outcome = await right[by]!(hold, ttlMs);
      const attempt = asked.get(nameOf(hold));
      if (outcome.status === 'renewed' || attempt?.claim === undefined) return outcome;
      if ((by === 'renew') !== (attempt.claim.mode === 'permits')) return outcome;
      const { key, owner, claim, signal } = attempt;
      const again = await right.tryAcquire({ key, owner, ttlMs, tokens: 1, claim, signal });
      return again.status === 'granted' ? { status: 'renewed', validForMs: ttlMs } : outcome;
    },
  };
}

/** What is over and is said to stand, and what inspect, keys and busy answers tell of it. */
export const claimEndMutants: readonly Mutant[] = [
  {
    bug: 'the release of a reader that is over says "released", as long as others hold the key',
    seenIn: 'H14',
    base: 'claims',
    caughtBy: ['LK-0293'],
    message: /The release of a shared hold that was over was answered "released"/,
    adapter: (right, inside) => ({
      async release(ref) {
        const place = placeOf(inside, ref.key, ref.owner);
        const said = place?.claim.mode === 'shared' && isOver(place);
        const outcome = await right.release(ref);
        return said ? 'released' : outcome;
      },
    }),
  },
  {
    bug: 'a forced release of permits that are over, by the name of their owner, says that it freed them',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0293'],
    message: /The forced release of a hold of 2 of 7 permits that was over/,
    adapter: (right, inside) => ({
      async forceRelease(key: string, owner?: string) {
        const place = placeOf(inside, key, owner);
        const said = place?.claim.mode === 'permits' && isOver(place);
        return (await right.forceRelease!(key, owner)) || said;
      },
    }),
  },
  {
    bug: 'inspect counts readers that are over',
    seenIn: 'H24',
    base: 'claims',
    caughtBy: ['LK-0293'],
    message: /inspect of a shared hold that was over counts it still/,
    adapter: (right, { claims }) => ({
      async inspect(key) {
        const { length } = claims.entries.get(key)?.holders ?? [];
        const info = await right.inspect!(key);
        return info?.mode === 'shared' ? { ...info, holders: length } : info;
      },
    }),
  },
  {
    bug: 'the renewal of permits that are over brings them back',
    seenIn: 'H6',
    base: 'claims',
    caughtBy: ['LK-0293'],
    message: /(The renewal|The joint renewal) of a hold of 2 of 7 permits that was over was answered "renewed"/,
    adapter: (right) => resurrecting(right, 'renew'),
  },
  {
    bug: 'the downgrade of a lock that is over takes the key',
    seenIn: 'H6',
    base: 'claims',
    caughtBy: ['LK-0293'],
    message: /The downgrade of an exclusive hold that was over was answered "renewed"/,
    adapter: (right) => resurrecting(right, 'downgrade'),
  },
  {
    bug: 'inspect tells of several holders the longest time that is left',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /the first of 3 with a shared hold, must have/,
    adapter: telling((_, { holders }) => ({
      remainingMs: Math.max(...holders.map(({ expiresAt }) => expiresAt - now())),
    })),
  },
  {
    bug: 'inspect tells the token of the latest of several holders of permits',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /The token that inspect tells of the first of 3 with 2 of 7 permits/,
    adapter: telling((_, { holders }) => ({ fencingToken: holders.at(-1)!.token })),
  },
  {
    bug: 'inspect counts waiters for exclusive locks alone',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /3 waiters are queued/,
    adapter: telling((_, { queue }) => ({ waiters: queue.filter(({ claim }) => claim.mode === 'exclusive').length })),
  },
  {
    bug: 'inspect calls a lock exclusive that was downgraded',
    seenIn: 'H98',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /inspect of a writer that downgraded, and a reader/,
    adapter: telling((info, { holders }) =>
      info.mode === 'shared' && holders.length > 1 && holders[0]!.token < holders[1]!.token + 1n && holders[0]!.tokens
        ? { mode: 'exclusive' }
        : {},
    ),
  },
  {
    bug: 'inspect tells since when a hold was last renewed, as if it was held since then',
    seenIn: 'never published',
    base: 'claims',
    caughtBy: ['LK-0294'],
    message: /since when it was held/,
    adapter: (right, inside) => ({
      async tryAcquire(attempt) {
        if (holdOf(inside, attempt) === undefined) memoryOf<Date>(inside).set(attempt.key, new Date());
        return right.tryAcquire(attempt);
      },
      async renew(hold, ttlMs) {
        memoryOf<Date>(inside).set(hold.key, new Date());
        return right.renew(hold, ttlMs);
      },
      async inspect(key) {
        const info = await right.inspect!(key);
        return info && { ...info, since: memoryOf<Date>(inside).get(key) };
      },
    }),
  },
  {
    bug: 'a busy answer adds up the leases of all holders',
    seenIn: 'H82',
    base: 'claims',
    caughtBy: ['LK-0295'],
    message: /all leases are over in/,
    adapter: (right, { claims }) => ({
      async tryAcquire(attempt) {
        const outcome = await right.tryAcquire(attempt);
        if (outcome.status === 'granted') return outcome;
        const { holders } = claims.entries.get(attempt.key)!;
        return { status: 'busy', retryAfterMs: holders.reduce((sum, { expiresAt }) => sum + expiresAt - now(), 0) };
      },
    }),
  },
  {
    bug: 'keys leaves out what others wait for',
    seenIn: 'never published',
    base: 'queue',
    caughtBy: ['LK-0296'],
    message: /Keys that are held, and that keys leaves out/,
    adapter: (right) => ({
      async keys(cursor) {
        const page = await right.keys!(cursor);
        const infos = await Promise.all(page.keys.map((key) => right.inspect!(key)));
        return { ...page, keys: page.keys.filter((_, i) => !infos[i]?.waiters) };
      },
    }),
  },
];

import { type AcquireAttempt, type AcquireOutcome, type HoldRef, LockError } from '@holdfast/lock-core';
import { acquireOnce } from './acquire.ts';
import { afterSending, readable, refusedAgain, unknownOutcome } from './errors.ts';
import type { LockKeys } from './keys.ts';
import { rollBack } from './release.ts';
import { expectInteger } from './replies.ts';
import type { RedisLockState } from './requests.ts';

// Owner IDs that are finished are remembered for repetitions of their request that are still to come.
const mostFinished = 4_096;

/** What the adapter keeps about the requests of an owner ID while some of them have no answer. */
interface OwnerRequests {
  pending: number;
  /** The number of the newest request. */
  newest: number;
  /** One of them was answered `granted`: the lock is the caller's now. */
  granted: boolean;
}

/** Acquisitions that count only when enough replicas have them. */
export interface ReplicatedAcquire {
  acquire(attempt: AcquireAttempt, keys: LockKeys): Promise<AcquireOutcome>;
}

/**
 * A grant that too few replicas have is released and counts as busy (H19). The release is sent only when no other request of
 * the same owner ID is under way or was granted, and after it no acquire is ever sent for that owner ID (H111).
 */
export function replicatedAcquire(state: RedisLockState): ReplicatedAcquire {
  const requests = new Map<string, OwnerRequests>();
  /** Owner IDs for which the release is being sent (a promise until it is answered) or was answered. */
  const finished = new Map<string, Promise<unknown> | undefined>();

  async function request(attempt: AcquireAttempt, keys: LockKeys, entry: OwnerRequests): Promise<AcquireOutcome> {
    const number = entry.newest;
    const isNewest = (): boolean => entry.newest === number;
    const { client, settings } = state;
    const connection = client.connectionOf?.(keys.lock);
    const resends = client.resends;
    const outcome = await acquireOnce(state, attempt, keys);
    if (outcome.status === 'busy') return outcome;
    const replicas = await client.waitReplicas(keys.lock, settings.waitReplicas, settings.waitReplicasTimeoutMs).then(
      (reply) => expectInteger(reply, 'WAIT', client.name, attempt.key),
      (error: unknown) => (entry.granted ? settings.waitReplicas : waitFailed(error, attempt, isNewest)),
    );
    // WAIT counts for the writes of its own connection; over a new one it says nothing about the grant.
    const sameConnection = client.connectionOf?.(keys.lock) === connection && client.resends === resends;
    // An earlier request of this owner ID was granted: the lock is not this one's to release.
    if (entry.granted) return outcome;
    if (!sameConnection) throw unknownOutcome('the replicas confirmed the lock', client.name, attempt.key);
    // Another request of this owner ID was given up meanwhile, and the lock released.
    if (finished.has(attempt.owner)) return giveUp(attempt);
    if (replicas >= settings.waitReplicas) {
      entry.granted = true;
      return outcome;
    }
    // A newer request of this owner ID decides.
    if (!isNewest()) throw unknownOutcome('a newer request for the lock was sent', client.name, attempt.key);
    return giveUp(attempt);
  }

  /** A user who may not WAIT is told so, and holds nothing (H115); anything else leaves open what the replicas have. */
  async function waitFailed(error: unknown, attempt: AcquireAttempt, isNewest: () => boolean): Promise<never> {
    const { name } = state.client;
    const what = 'the replicas confirmed the lock';
    const reason = readable(error, name, attempt.key);
    if (!(reason instanceof LockError) || reason.retryable) throw afterSending(reason, what, name, attempt.key);
    // A newer request of this owner ID is told the same.
    const isLast = isNewest();
    if (isLast) await giveUp(attempt);
    throw isLast ? reason : unknownOutcome(what, name, attempt.key);
  }

  /** Releases, and answers busy once that is confirmed; repeated, it releases again until it is. */
  async function giveUp(hold: HoldRef): Promise<AcquireOutcome> {
    const sending = finished.get(hold.owner) ?? rollBack(state, hold);
    remember(finished, hold.owner, sending);
    try {
      await sending;
    } catch (error) {
      finished.set(hold.owner, undefined);
      // Whatever refused the release, the grant before it stands.
      throw refusedAgain(afterSending(error, 'the lock was given up', state.client.name, hold.key));
    }
    finished.set(hold.owner, Promise.resolve());
    return { status: 'busy' };
  }

  return {
    async acquire(attempt, keys) {
      const { owner } = attempt;
      if (finished.has(owner)) return giveUp(attempt);
      const entry = requests.get(owner) ?? { pending: 0, newest: 0, granted: false };
      requests.set(owner, entry);
      entry.pending += 1;
      entry.newest += 1;
      try {
        return await request(attempt, keys, entry);
      } finally {
        entry.pending -= 1;
        if (entry.pending === 0) requests.delete(owner);
      }
    },
  };
}

function remember(finished: Map<string, Promise<unknown> | undefined>, owner: string, sending: Promise<unknown>): void {
  finished.set(owner, sending);
  if (finished.size <= mostFinished) return;
  for (const oldest of finished.keys()) return void finished.delete(oldest);
}

/**
 * Waits until enough replicas have what was granted over this connection; gives why it does not count, and takes it back where that
 * is certain.
 */
export async function waitForReplicas(
  state: RedisLockState,
  hold: HoldRef,
  keys: LockKeys,
  connection: string | undefined,
): Promise<unknown> {
  const { client, settings } = state;
  const { key } = hold;
  const what = 'the replicas confirmed the lock';
  const { resends } = client;
  const takenBack = (): Promise<unknown> =>
    rollBack(state, hold).then(
      () => undefined,
      (error: unknown) => refusedAgain(afterSending(error, 'the lock was given up', client.name, key)),
    );
  try {
    const reply = await client.waitReplicas(keys.lock, settings.waitReplicas, settings.waitReplicasTimeoutMs);
    const replicas = expectInteger(reply, 'WAIT', client.name, key);
    // WAIT counts for the writes of its own connection; over a new one it says nothing about the grant.
    if (client.connectionOf?.(keys.lock) !== connection || client.resends !== resends)
      return unknownOutcome(what, client.name, key);
    if (replicas >= settings.waitReplicas) return undefined;
    const message = `Only ${replicas} of ${settings.waitReplicas} replicas of Redis (${client.name}) have the lock, so it was released again.`;
    // Nothing is left of it, as if nothing had been sent.
    return (await takenBack()) ?? new LockError('LOCK_BACKEND', message, { key, notSent: true });
  } catch (error) {
    const reason = readable(error, client.name, key);
    if (!(reason instanceof LockError) || reason.retryable) return afterSending(reason, what, client.name, key);
    return (await takenBack()) ?? reason;
  }
}

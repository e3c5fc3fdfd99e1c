import type { HoldRef, ReleaseOutcome } from '@holdfast/lock-core';
import { foreignKey, isTryAgain, unknownOutcome } from './errors.ts';
import { holdersOf } from './inspect.ts';
import type { LockKeys } from './keys.ts';
import { readReleaseReply } from './replies.ts';
import { channelOf, keysOfScript, type RedisLockState, runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

/**
 * Frees the lock if the owner still has it, or withdraws its place, and grants the lock to who is next. The first `released` for an owner ID whose acquire may have
 * been sent twice is "unknown" to core: its clean-up then asks again until the other one cannot come any more.
 */
export function release(state: RedisLockState, hold: HoldRef, byCore = true): Promise<ReleaseOutcome> {
  state.places.withdraw(hold.owner);
  return send(state, hold, state.publish, byCore);
}

/**
 * Frees the lock without a word: it was granted and is taken back because too few replicas have it. Whoever heard of that would
 * ask at once and get no further, first of all the one who takes it back; polling finds out when the replicas answer again.
 */
export function rollBack(state: RedisLockState, hold: HoldRef): Promise<ReleaseOutcome> {
  return send(state, hold, '', true);
}

function send(state: RedisLockState, hold: HoldRef, publish: string, byCore: boolean): Promise<ReleaseOutcome> {
  const keys = state.keysOf(hold.key);
  const command = keysOfScript(state, scripts.release, keys);
  command.push(hold.owner);
  if (publish !== 'PUBLISH') command.push(publish);
  return sendOnce(state, hold, keys, command, byCore).catch((error: unknown) => {
    // While a slot is being moved its keys may be on two nodes; the lock itself can still be freed.
    if (!isTryAgain(error)) throw error;
    return sendOnce(state, hold, keys, [scripts.release.sha, '1', keys.lock, hold.owner, publish], byCore);
  });
}

function sendOnce(
  state: RedisLockState,
  hold: HoldRef,
  keys: LockKeys,
  command: readonly string[],
  byCore: boolean,
): Promise<ReleaseOutcome> {
  const { client, places } = state;
  const before = client.resends;
  const target = { key: keys.lock, name: hold.key };
  return runLockScript(state, scripts.release, command, target, (raw): ReleaseOutcome => {
    const reply = readReleaseReply(raw, client.name, hold.key);
    // The next one may wait in this process, and need not wait for the message.
    for (const owner of reply.granted) places.granted(owner);
    if (reply.outcome === 'released') {
      if (byCore && state.sentTwice.take(hold.owner)) {
        throw unknownOutcome('the lock was acquired', client.name, hold.key);
      }
      return 'released';
    }
    // The client may have sent this twice, and the first one may have released (H14).
    if (client.resends !== before) throw unknownOutcome('the lock was released', client.name, hold.key);
    if (reply.outcome === 'foreign') throw foreignKey(hold.key, channelOf(state, keys), client.name);
    return 'not-held';
  });
}

/** How often a lock is looked at again that changes hands while it is being freed. */
const mostChanges = 10;

/**
 * Frees the lock of `owner`, or of all who are seen to hold it: the script always names an owner, so that a client that sends it
 * twice cannot free the next holder (H112).
 */
export async function forceRelease(state: RedisLockState, name: string, owner?: string): Promise<boolean> {
  if (owner !== undefined) return (await release(state, { key: name, owner }, false)) === 'released';
  for (let changes = 0; changes < mostChanges; changes += 1) {
    const owners = await holdersOf(state, name);
    if (owners.length === 0) return false;
    const freed = await Promise.all(owners.map((each) => release(state, { key: name, owner: each }, false)));
    if (freed.includes('released')) return true;
  }
  // Each holder that was seen is gone, so the one who was to be forced out is.
  return true;
}

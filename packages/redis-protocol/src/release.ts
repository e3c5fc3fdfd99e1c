import type { HoldRef, ReleaseOutcome } from '@holdfast/lock-core';
import { foreignKey, unknownOutcome } from './errors.ts';
import { inspect } from './inspect.ts';
import { expectInteger } from './replies.ts';
import { channelOf, type RedisLockState, runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

/**
 * Frees the lock if the owner still has it, and wakes its waiters. The first `released` for an owner ID whose acquire may have
 * been sent twice is "unknown" to core: its clean-up then asks again until the other one cannot come any more.
 */
export function release(state: RedisLockState, hold: HoldRef, byCore = true): Promise<ReleaseOutcome> {
  return send(state, hold, state.publish, byCore);
}

/**
 * Frees the lock without a word: it was granted and is taken back because too few replicas have it. Whoever heard of that would
 * ask at once and get no further, first of all the one who takes it back; polling finds out when the replicas answer again.
 */
export function takeBack(state: RedisLockState, hold: HoldRef): Promise<ReleaseOutcome> {
  return send(state, hold, '', true);
}

function send(state: RedisLockState, hold: HoldRef, publish: string, byCore: boolean): Promise<ReleaseOutcome> {
  const { client, hints, countWaiters } = state;
  const before = client.resends;
  const keys = state.keysOf(hold.key);
  const command = [scripts.release.sha, '1', keys.lock, hold.owner, publish, countWaiters];
  const target = { key: keys.lock, name: hold.key };
  return runLockScript(state, scripts.release, command, target, (reply): ReleaseOutcome => {
    const outcome = expectInteger(reply, 'the release script', client.name, hold.key);
    if (outcome > 1) hold.onWaiting?.(Math.max(0, outcome - 1 - (hints.own(channelOf(state, keys)) ? 1 : 0)));
    if (outcome > 0) {
      if (byCore && state.sentTwice.take(hold.owner)) {
        throw unknownOutcome('the lock was acquired', client.name, hold.key);
      }
      return 'released';
    }
    // The client may have sent this twice, and the first one may have released (H14).
    if (client.resends !== before) throw unknownOutcome('the lock was released', client.name, hold.key);
    if (outcome < 0) throw foreignKey(hold.key, channelOf(state, keys), client.name);
    return 'not-held';
  });
}

/** How often a lock is looked at again that changes hands while it is being freed. */
const mostChanges = 10;

/**
 * Frees the lock of `owner`, or of whoever is seen to hold it: the script always names an owner, so that a client that sends it
 * twice cannot free the next holder (H112).
 */
export async function forceRelease(state: RedisLockState, name: string, owner?: string): Promise<boolean> {
  if (owner !== undefined) return (await release(state, { key: name, owner }, false)) === 'released';
  for (let changes = 0; changes < mostChanges; changes += 1) {
    const held = await inspect(state, name);
    if (held === undefined) return false;
    if ((await release(state, { key: name, owner: held.owner }, false)) === 'released') return true;
  }
  // Each holder that was seen is gone, so the one who was to be forced out is.
  return true;
}

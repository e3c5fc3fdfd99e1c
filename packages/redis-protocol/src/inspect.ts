import type { KeysPage, LockInfo } from '@holdfast/lock-core';
import { firstToken } from './acquire.ts';
import { foreignKey, isTryAgain, readable } from './errors.ts';
import { type LockKeys, nameOf } from './keys.ts';
import { readInspectReply, readScanReply } from './replies.ts';
import { channelOf, type RedisLockState, refusedNow, runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

/** Who holds the lock now, `undefined` when it is free. */
export async function inspect(state: RedisLockState, name: string): Promise<LockInfo | undefined> {
  const keys = state.keysOf(name);
  const both = state.settings.fencing ? [keys.lock, keys.fence] : [keys.lock];
  return readLock(state, name, keys, both).catch((error: unknown) => {
    // While a slot is being moved its two keys may be on two nodes; the lock itself can still be read.
    if (!isTryAgain(error)) throw error;
    return readLock(state, name, keys, [keys.lock]);
  });
}

function readLock(
  state: RedisLockState,
  name: string,
  keys: LockKeys,
  read: readonly string[],
): Promise<LockInfo | undefined> {
  const { client } = state;
  const command = [scripts.inspect.sha, String(read.length), ...read];
  return runLockScript(state, scripts.inspect, command, { key: keys.lock, name }, (raw) => {
    const reply = readInspectReply(raw, client.name, name);
    if (reply.kind === 'free') return undefined;
    if (reply.kind === 'foreign') throw foreignKey(name, channelOf(state, keys), client.name);
    const [last, count] = reply.block.split(' ');
    return {
      key: name,
      owner: reply.owner,
      remainingMs: reply.remainingMs >= 0 ? reply.remainingMs : undefined,
      fencingToken: last && count ? firstToken(last, Number(count)) : undefined,
      waiters: undefined,
    };
  });
}

// Enough that a big database takes few round trips, few enough that the server is not kept from others for long.
const perPage = '500';

/**
 * One page of the locks under the prefix: SCAN, in every master of a cluster, one after the other. The cursor is the number of the
 * master and the server's own cursor.
 */
export async function keysPage(state: RedisLockState, cursor = '0 0'): Promise<KeysPage> {
  const { client, settings } = state;
  const { prefix } = settings;
  const refused = refusedNow(state, undefined, prefix);
  if (refused !== undefined) throw refused;
  const [first = '0', at = '0'] = cursor.split(' ');
  const master = Number(first);
  const args = [at, 'MATCH', `${escapePattern(client.keyPrefix + prefix)}*`, 'COUNT', perPage, 'TYPE', 'string'];
  const call = client.callMaster ? client.callMaster(master, 'SCAN', args) : client.call('SCAN', args);
  if (call === undefined) return { keys: [], next: undefined };
  const reply = await call.catch((error: unknown) => {
    throw readable(error, client.name, prefix);
  });
  const { cursor: next, keys: found } = readScanReply(reply, client.name);
  const keys = found.flatMap((key) => nameOf(prefix, key.slice(client.keyPrefix.length)) ?? []);
  if (next !== '0') return { keys, next: `${master} ${next}` };
  return { keys, next: client.callMaster ? `${master + 1} 0` : undefined };
}

/** Text that stands for itself in a pattern of Redis. */
const escapePattern = (text: string): string => text.replace(/[*?[\]\\]/g, '\\$&');

import type { InspectedLock, KeysPage } from '@holdfast/lock-core';
import { foreignKey, isTryAgain, readable } from './errors.ts';
import { type LockKeys, nameOf } from './keys.ts';
import { firstToken, type InspectReply, readInspectReply, readScanReply } from './replies.ts';
import { channelOf, keysOfScript, type RedisLockState, refusedNow, runLockScript } from './requests.ts';
import { scripts } from './scripts.ts';

/** Who holds the lock now, the earliest of several; `undefined` when it is free. */
export async function inspect(state: RedisLockState, name: string): Promise<InspectedLock | undefined> {
  const held = await readLock(state, name);
  if (held === undefined) return undefined;
  const [last, count] = held.block.split(' ');
  const mode = held.claim === 'x' ? 'exclusive' : held.claim === 's' ? 'shared' : 'permits';
  return {
    key: name,
    owner: held.owner,
    remainingMs: held.remainingMs >= 0 ? held.remainingMs : undefined,
    fencingToken: last && count ? firstToken(Number(last), Number(count)) : undefined,
    waiters: held.waiters,
    mode,
    holders: held.owners.length,
    ...(held.sinceUs !== undefined && { since: new Date(Math.floor(held.sinceUs / 1_000)) }),
    ...(mode === 'permits' && { limit: held.limit }),
  };
}

/** The owner IDs of all who hold the lock now. */
export async function holdersOf(state: RedisLockState, name: string): Promise<readonly string[]> {
  return (await readLock(state, name))?.owners ?? [];
}

type Held = Extract<InspectReply, { kind: 'held' }>;

async function readLock(state: RedisLockState, name: string): Promise<Held | undefined> {
  const keys = state.keysOf(name);
  const { sha } = scripts.inspect;
  // While a slot is being moved its keys may be on two nodes; the lock itself can still be read.
  const ways = [keysOfScript(state, scripts.inspect, keys), [sha, '2', keys.lock, keys.fence], [sha, '1', keys.lock]];
  if (!state.settings.fencing) ways.splice(1, 1);
  for (const command of ways.slice(0, -1)) {
    try {
      return await readOnce(state, name, keys, command);
    } catch (error) {
      if (!isTryAgain(error)) throw error;
    }
  }
  return readOnce(state, name, keys, ways.at(-1)!);
}

function readOnce(
  state: RedisLockState,
  name: string,
  keys: LockKeys,
  command: readonly string[],
): Promise<Held | undefined> {
  const { client } = state;
  return runLockScript(state, scripts.inspect, command, {
    key: keys.lock,
    name,
    read(raw) {
      const reply = readInspectReply(raw, client.name, name);
      if (reply.kind === 'foreign') throw foreignKey(name, channelOf(state, keys), client.name);
      return reply.kind === 'free' ? undefined : reply;
    },
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

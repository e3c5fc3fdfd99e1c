import type { KeysPage } from '@holdfast/lock-core';
import { nameOf } from './keys.ts';
import type { RedisClientBinding } from './redis-client.ts';

// Enough that a big database takes few round trips, few enough that the server is not kept from others for long.
const perPage = '500';

/**
 * One page of the locks under a prefix: SCAN, in every master of a cluster, one after the other. The cursor is the number of the
 * master and the server's own cursor.
 */
export async function keysPage(client: RedisClientBinding, prefix: string, cursor: string = '0 0'): Promise<KeysPage> {
  const [master = 0, at] = cursor.split(' ').map(Number);
  const whole = client.keyPrefix + prefix;
  const args = [String(at), 'MATCH', `${literally(whole)}*`, 'COUNT', perPage, 'TYPE', 'string'];
  const call = client.callMaster ? client.callMaster(master, 'SCAN', args) : client.call('SCAN', args);
  if (call === undefined) return { keys: [], next: undefined };
  const [next, found] = (await call) as [unknown, unknown[]];
  const keys = found.flatMap((key) => nameOf(prefix, String(key).slice(client.keyPrefix.length)) ?? []);
  if (String(next) !== '0') return { keys, next: `${master} ${next}` };
  return { keys, next: client.callMaster ? `${master + 1} 0` : undefined };
}

/** Text that stands for itself in a pattern of Redis. */
const literally = (text: string): string => text.replace(/[*?[\]\\]/g, '\\$&');

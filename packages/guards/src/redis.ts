import { fencedWriteScript } from './redis-script.ts';
import { type FencingToken, tokenText } from './token.ts';

/** One command on one key: its name, the key, and its other arguments; for example `['HSET', 'cart:7', 'total', '12']`. */
export type RedisWrite = readonly [command: string, key: string, ...args: (string | number)[]];

/** An ioredis or node-redis client of a single server or a cluster. */
export type RedisWriter = IoredisWriter | NodeRedisWriter;

interface IoredisWriter {
  defineCommand: unknown;
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

interface NodeRedisWriter {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

// These change more than the key that stands first, or tell others, so their effect in a batch could not be undone.
const changesOtherKeys = new Set(
  (
    'MSET MSETNX MSETEX RENAME RENAMENX COPY MOVE MIGRATE SMOVE RPOPLPUSH LMOVE LMPOP ZMPOP BITOP SORT GEORADIUS ' +
    'GEORADIUSBYMEMBER XREADGROUP XGROUP BLPOP BRPOP BLMPOP BZMPOP BZPOPMIN BZPOPMAX BLMOVE BRPOPLPUSH FLUSHALL FLUSHDB ' +
    'SWAPDB SELECT EVAL EVALSHA FCALL FUNCTION SCRIPT CONFIG PUBLISH SPUBLISH JSON.MSET TS.MADD'
  ).split(' '),
);
const changesWholeDatabase = new Set(['FLUSHALL', 'FLUSHDB', 'SWAPDB']);
const changesEveryArgument = new Set(['DEL', 'UNLINK', 'TOUCH', 'PFMERGE']);
const readsOtherKeys = new Set(
  'SDIFFSTORE SINTERSTORE SUNIONSTORE ZDIFFSTORE ZINTERSTORE ZUNIONSTORE ZRANGESTORE GEOSEARCHSTORE'.split(' '),
);

/**
 * Writes to Redis in one atomic step, unless the fence has seen a higher token. In that case, it returns `false` and writes nothing.
 *
 * Only a write raises the token of the fence, even a write of nothing (`[]`). Without `writes`, the call is the check of a reader: it
 * returns `false` if the fence has seen a higher token, and changes nothing, so that readers do not exclude each other.
 *
 * The fence is a key beside the data, without an expiry. On a cluster, it must share a slot with all keys that are written: give them
 * the same `{hash tag}`. If Redis refuses one of the commands, the call rejects, and the fence and the data are as before. To undo a
 * batch of commands, the Redis user needs the permissions DUMP, PTTL and RESTORE; a single command needs none of them.
 *
 * @throws TypeError without a token, or for a command that names several keys in a batch or through a client with a `keyPrefix`. Error if
 * Redis refuses the write, or if the fence holds something other than a token; nothing was written. Any other rejection is the client's:
 * the write may have happened; it may be repeated with the same token.
 */
export async function fencedRedisWrite(
  client: RedisWriter,
  fence: string,
  token: FencingToken,
  writes?: readonly RedisWrite[],
): Promise<boolean> {
  const keys = [fence];
  const args = [tokenText(token)];
  if (writes === undefined) args.push('look');
  else if (!Array.isArray(writes))
    throw new TypeError("The writes are an array of commands, such as [['SET', 'cart:7', 'x']]. Nothing was written.");
  const prefix = keyPrefixOf(client);
  for (const write of writes ?? []) {
    assertUndoable(write, fence, writes?.length ?? 0);
    if (prefix !== '') assertOneKey(write, prefix);
    const [command, key, ...rest] = write;
    keys.push(key);
    args.push(command, String(rest.length));
    for (const each of rest) args.push(String(each));
  }
  // ioredis flattens arrays. Spread, some 100,000 arguments would exceed the stack.
  const flattened = [keys, args] as readonly unknown[] as string[];
  const answer =
    'defineCommand' in client
      ? await client.eval(fencedWriteScript, keys.length, ...flattened)
      : await client.eval(fencedWriteScript, { keys, arguments: args });
  return isWritten(answer);
}

function assertUndoable([command, key, ...rest]: RedisWrite, fence: string, count: number): void {
  const name = String(command).toUpperCase();
  const changesRest = changesOtherKeys.has(name) || changesEveryArgument.has(name);
  const isAmongRest = changesRest && rest.some((each) => String(each) === fence);
  if (String(key) === fence || changesWholeDatabase.has(name) || isAmongRest)
    throw new TypeError(`The fence ${fence} cannot be written itself: keep it beside the data.`);
  for (const each of rest) {
    if (typeof each !== 'string' && typeof each !== 'number') {
      throw new TypeError(`The arguments of ${name} in a fenced write are strings or numbers, not ${typeof each}.`);
    }
  }
  if (count === 1) return;
  if (changesOtherKeys.has(name) || (rest.length > 0 && changesEveryArgument.has(name))) {
    throw new TypeError(
      `${name} can change more than the key that stands first, which cannot be undone if another command of the fenced write fails. Give one command for each key, or make ${name} a fenced write of its own.`,
    );
  }
}

/** What ioredis puts before a key that stands first, and before no other. */
function keyPrefixOf(client: RedisWriter): string {
  const { options } = client as { options?: { keyPrefix?: unknown; redisOptions?: { keyPrefix?: unknown } } };
  return String(options?.keyPrefix ?? options?.redisOptions?.keyPrefix ?? '');
}

function assertOneKey([command, , ...rest]: RedisWrite, prefix: string): void {
  const name = String(command).toUpperCase();
  const hasOtherKeys = changesOtherKeys.has(name) || changesEveryArgument.has(name) || readsOtherKeys.has(name);
  if (rest.length === 0 || !hasOtherKeys) return;
  throw new TypeError(
    `${name} can name several keys, and the client puts its keyPrefix ${JSON.stringify(prefix)} before the first only. Give one command for each key, or pass a client without keyPrefix. Nothing was written.`,
  );
}

/** Clients can be configured to return numbers as strings, BigInts or Buffers. */
function isWritten(answer: unknown): boolean {
  const text = String(answer);
  if (text !== '0' && text !== '1') {
    throw new Error(
      `The client answered ${text.slice(0, 60)} to a fenced write: expected 0 or 1. It may have happened.`,
    );
  }
  return text === '1';
}

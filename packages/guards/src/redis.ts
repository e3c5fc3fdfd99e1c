import { type FencingToken, tokenText } from './token.ts';

/** One command on one key: its name, the key, its other arguments; for example `['HSET', 'cart:7', 'total', '12']`. */
export type RedisWrite = readonly [command: string, key: string, ...args: (string | number)[]];

/** A client of ioredis or node-redis, of a single server or a cluster. */
export type RedisWriter = IoredisWriter | NodeRedisWriter;

interface IoredisWriter {
  defineCommand: unknown;
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

interface NodeRedisWriter {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

// KEYS: the fence, then the key of each write. ARGV: the token, then of each write its command, the number of its further
// arguments, and these. Numbers are doubles in Lua: decimal texts are compared, first by length.
const script = `
local token, stored = ARGV[1], redis.call('GET', KEYS[1])
if stored then
  if not string.find(stored, '^%d+$') then return redis.error_reply('the fence holds something that is no fencing token') end
  if #stored > #token or (#stored == #token and stored > token) then return 0 end
end
if stored ~= token then redis.call('SET', KEYS[1], token) end
local at = 2
for i = 2, #KEYS do
  local last = at + 1 + tonumber(ARGV[at + 1])
  redis.call(ARGV[at], KEYS[i], unpack(ARGV, at + 2, last))
  at = last + 1
end
return 1
`;

/**
 * Writes to Redis unless the fence has seen a higher token, in one atomic step; `false` when it has, and nothing is written.
 *
 * The fence is a key beside the data, without an expiry. On a cluster it shares a slot with all keys that are written: give
 * them one `{hash tag}`. As in MULTI, a write that Redis refuses rejects and leaves the writes before it done.
 *
 * @throws TypeError no token. Any other rejection is the client's: unless Redis answered with an error the write may have happened,
 * and may be made again with the same token.
 */
export async function fencedRedisWrite(
  client: RedisWriter,
  fence: string,
  token: FencingToken,
  writes: readonly RedisWrite[],
): Promise<boolean> {
  const keys = [fence, ...writes.map(([, key]) => key)];
  const args = [tokenText(token)];
  for (const [command, , ...rest] of writes) args.push(command, String(rest.length), ...rest.map(String));
  const answer =
    'defineCommand' in client
      ? await client.eval(script, keys.length, ...keys, ...args)
      : await client.eval(script, { keys, arguments: args });
  return answer === 1;
}

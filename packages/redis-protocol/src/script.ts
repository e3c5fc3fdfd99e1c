import { createHash } from 'node:crypto';
import type { RedisClientBinding } from './binding.ts';

/** A Lua script and the SHA-1 under which a server caches it. */
export interface LuaScript {
  readonly source: string;
  readonly sha: string;
}

/** Prepares a script; the SHA is computed here, so no SCRIPT LOAD is ever sent. */
export function luaScript(source: string): LuaScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/**
 * Runs a script by its SHA, and with its source on a server that does not know it (restart, failover, SCRIPT FLUSH: H16).
 * `keys` are all keys it touches (H18), of one slot on a cluster. Rejects as the client does.
 */
export function runScript(
  client: RedisClientBinding,
  script: LuaScript,
  keys: readonly string[],
  args: readonly string[],
): Promise<unknown> {
  const key = keys[0];
  return client.call('evalsha', [script.sha, String(keys.length), ...keys, ...args], key).catch((error: unknown) => {
    // A script that was not found did not run, so sending it again is safe.
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return client.call('eval', [script.source, String(keys.length), ...keys, ...args], key);
  });
}

/** The server's `run_id`: two connections with the same one talk to the same server (H35). */
export async function readRunId(client: RedisClientBinding): Promise<string> {
  const info = String(await client.call('info', ['server']));
  const runId = /^run_id:(\w+)/m.exec(info)?.[1];
  if (runId === undefined) throw new Error('The server did not tell its run_id (INFO server).');
  return runId;
}
